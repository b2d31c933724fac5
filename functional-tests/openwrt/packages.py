#!/usr/bin/python3
"""What is in the packages for OpenWrt, read by other means than those that made them."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import unittest
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPENWRT = ROOT / "scripts/openwrt"
PROGRAM = b"\x7fELF, as far as packages care" * 1000

FILES = {
    "etc/capabilities/trackerd.json": (0o644, (OPENWRT / "files/trackerd.capabilities")),
    "etc/config/trackerd": (0o600, (OPENWRT / "files/trackerd.config")),
    "etc/init.d/trackerd": (0o755, (OPENWRT / "files/trackerd.init")),
    "usr/bin/trackerd": (0o755, None),
}
CONFFILES = ["/etc/config/trackerd", "/etc/opentracker.conf", "/etc/trackerd/"]
with open(ROOT / "Cargo.toml", "rb") as manifest:
    VERSION = tomllib.load(manifest)["package"]["version"]


def content(name: str) -> bytes:
    source = FILES[name][1]
    return source.read_bytes() if source else PROGRAM


def make(out: Path, target: str) -> dict[str, bytes]:
    """The packages for a target, by file name."""
    program = out / "program"
    program.write_bytes(PROGRAM)
    subprocess.run(
        [OPENWRT / "package.py", "--target", target, "--binary", program, "--out", out],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return {path.name: path.read_bytes() for path in out.iterdir() if path != program}


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as out:
            cls.packages = make(Path(out), "mipsel")
        cls.name = f"trackerd_{VERSION}-r1_mipsel_24kc"

    def test_there_is_one_for_each_architecture_and_package_manager(self):
        architectures = ("mipsel_24kc", "mipsel_24kc_24kf", "mipsel_74kc")
        expected = {
            f"trackerd_{VERSION}-r1_{architecture}.{ending}"
            for architecture in architectures for ending in ("ipk", "apk")}
        self.assertEqual(set(self.packages), expected)

    def test_they_are_the_same_every_time(self):
        with tempfile.TemporaryDirectory() as out:
            self.assertEqual(make(Path(out), "mipsel"), self.packages)

    def test_ipk(self):
        outer = self._tar(self.packages[f"{self.name}.ipk"])
        self.assertEqual(
            list(outer), ["./debian-binary", "./data.tar.gz", "./control.tar.gz"])
        self.assertEqual(outer["./debian-binary"][1], b"2.0\n")
        data = self._tar(outer["./data.tar.gz"][1])
        self.assertEqual(
            data, {f"./{name}": (mode, content(name)) for name, (mode, _) in FILES.items()})
        control = self._tar(outer["./control.tar.gz"][1])
        self.assertEqual(
            set(control), {"./control", "./conffiles", "./postinst", "./prerm"})
        self.assertEqual(control["./conffiles"][1].decode().split(), CONFFILES)
        fields = dict(
            line.split(": ", 1) for line in control["./control"][1].decode().splitlines())
        for name, value in {
            "Package": "trackerd", "Version": f"{VERSION}-r1", "Architecture": "mipsel_24kc",
            "Provides": "opentracker, opentracker6", "License": "MIT",
            "Require-User": "trackerd=6969:trackerd=6969",
        }.items():
            self.assertEqual(fields[name], value)
        for script in ("./postinst", "./prerm"):
            mode, text = control[script]
            self.assertEqual(mode, 0o755)
            self.assertIn(f"default_{script[2:]} $0 $@", text.decode())
            subprocess.run(["sh", "-n"], input=text, check=True)

    def test_apk(self):
        package = Apk(self.packages[f"{self.name}.apk"])
        info = package.info
        self.assertEqual(
            (info[1], info[2], info[5], info[6]), (b"trackerd", f"{VERSION}-r1".encode(),
                                                   b"mipsel_24kc", b"MIT"))
        self.assertEqual([each[1] for each in info[16]], [b"opentracker", b"opentracker6"])
        self.assertEqual(info[3], package.identity())
        for name, (mode, _) in FILES.items():
            self.assertEqual(package.files.pop(name), (mode, content(name)))
        lists = {name.removeprefix("lib/apk/packages/trackerd."): text.decode().splitlines()
                 for name, (mode, text) in package.files.items()}
        self.assertEqual(lists["list"], sorted(f"/{name}" for name in FILES))
        self.assertEqual(lists["conffiles"], CONFFILES)
        digest = hashlib.sha256(content("etc/config/trackerd")).hexdigest()
        self.assertEqual(lists["conffiles_static"], [f"/etc/config/trackerd {digest}"])
        self.assertEqual(lists["rusers"], ["trackerd=6969:trackerd=6969"])
        self.assertEqual(set(package.scripts), {3, 4, 7})
        for script in package.scripts.values():
            subprocess.run(["sh", "-n"], input=script, check=True)

    def _tar(self, packed: bytes) -> dict[str, tuple[int, bytes]]:
        """The regular files, with mode; all of it has to be root's and of the same time."""
        found = {}
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
            for member in tar:
                self.assertEqual((member.uid, member.gid, member.mtime), (0, 0, 1_700_000_000))
                if member.isdir():
                    self.assertEqual(member.mode, 0o755)
                else:
                    found[member.name] = member.mode, tar.extractfile(member).read()
        return found


class Apk:
    """Reads a package of apk 3."""

    def __init__(self, packed: bytes):
        assert packed[:4] == b"ADBd"
        raw = zlib.decompress(packed[4:], -15)
        assert raw[:8] == b"ADB.pckg"
        blocks = self._blocks(raw[8:])
        kind, self.base = next(blocks)
        assert kind == 0
        self.info, directories, scripts = self._list(
            struct.unpack_from("<I", self.base, 4)[0])[1:4]
        self.info = self._fields(self.info)
        self.scripts = {
            number: self._value(word)
            for number, word in enumerate(self._list(scripts)) if number and word}
        payload = {}
        for kind, block in blocks:
            assert kind == 2
            payload[struct.unpack_from("<II", block)] = block[8:]
        self.files = {}
        for i, directory in enumerate(self._list(directories)[1:], 1):
            fields = self._list(directory)
            folder = self._value(fields[1]).decode()
            for j, file in enumerate(self._list(fields[3])[1:] if len(fields) > 3 else [], 1):
                name, acl, size, _, digest = map(self._value, self._list(file)[1:6])
                text = payload.pop((i, j), b"")
                assert len(text) == size and hashlib.sha256(text).digest() == digest
                assert acl[1:] == [b"root", b"root"]
                self.files[f"{folder}/{name.decode()}"] = acl[0], text
        assert not payload

    def identity(self) -> bytes:
        """The beginning of the hash of the database with zeroes in its place."""
        blank = self.base.replace(self.info[3], bytes(20))
        return hashlib.sha256(blank).digest()[:20]

    @staticmethod
    def _blocks(raw: bytes):
        at = 0
        while at < len(raw):
            word = struct.unpack_from("<I", raw, at)[0]
            length = word & 0x3FFF_FFFF
            yield word >> 30, raw[at + 4:at + length]
            at += length + -length % 8

    def _list(self, word: int) -> list[int]:
        """The words of an object or array, counted from 1 like its fields."""
        assert word >> 28 == 0xE
        at = word & 0x0FFF_FFFF
        length = struct.unpack_from("<I", self.base, at)[0]
        return list(struct.unpack_from(f"<{length}I", self.base, at))

    def _fields(self, word: int) -> dict:
        words = enumerate(self._list(word))
        return {number: self._value(word) for number, word in words if number and word}

    def _value(self, word: int):
        kind, place = word >> 28, word & 0x0FFF_FFFF
        if word == 0:
            return b""
        if kind == 0x1:
            return place
        if kind == 0x2:
            return struct.unpack_from("<I", self.base, place)[0]
        if kind in (0x8, 0x9, 0xA):
            width = 1 << kind - 8
            length = int.from_bytes(self.base[place:place + width], "little")
            return self.base[place + width:place + width + length]
        values = [self._value(each) for each in self._list(word)[1:]]
        # Dependencies are objects of one field here; everything else is kept in its order.
        return {1: values[0]} if len(values) == 1 else values


if __name__ == "__main__":
    sys.exit(unittest.main())
