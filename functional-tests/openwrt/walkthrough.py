#!/usr/bin/python3
"""The README's walkthrough for routers, on a machine that is none: package, install, start by the
init script, announce from a real client, edit the whitelist, reload, refused, stop.

usage: walkthrough.py [--target TARGET] [--binary FILE]

With --target the program is what `make router TARGET=...` builds, and an emulator runs it; without,
what `make build` builds, with its libraries beside it.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "functional-tests/clients"))

from payload import Payload
from process import Process
from router import Failed, Router, until

PACKAGES = {"busybox": "busybox-static", "aria2c": "aria2"}
WHITELIST = "etc/trackerd/whitelist"


def main() -> int:
    options = _options()
    obstacle = _obstacle()
    if obstacle:
        print(f"SKIPPED: the walkthrough for routers: {obstacle}")
        return 0
    with tempfile.TemporaryDirectory(prefix="trackerd-router-") as directory:
        walk = Walk(Path(directory), options)
        try:
            walk.all()
        except Failed as failed:
            print(f"FAIL  {walk.step}: {failed}")
            return 1
        finally:
            walk.clear()
    return 0


class Walk:
    """The steps, in their order."""

    def __init__(self, directory: Path, options: argparse.Namespace):
        self.directory = directory
        self.options = options
        self.router = Router(directory / "root", shutil.which("busybox"))
        self.port = _free_port()
        self.clients: list[Process] = []
        self.step = ""

    def all(self) -> None:
        for step in (
            self.install, self.check, self.start, self.announce, self.leave_alone,
            self.edit_the_whitelist, self.keep_what_works, self.stop,
        ):
            self.step = step.__name__.replace("_", " ")
            step()
            print(f"ok    {self.step}")

    def clear(self) -> None:
        for client in self.clients:
            client.kill()
        if (self.router.root / "var/run/procd/main").exists():
            self.router.attempt("sh", "/etc/rc.common", "/etc/init.d/trackerd", "stop")

    def install(self) -> None:
        options = self.options
        target = options.target
        built = f"cross/{target}-router/trackerd" if target else "release/trackerd"
        binary = options.binary or ROOT / "target" / built
        out = self.directory / "packages"
        subprocess.run(
            [ROOT / "scripts/openwrt/package.py", "--target", target or "x86_64",
             "--binary", binary, "--out", out], check=True, stdout=subprocess.DEVNULL)
        self.router.install(next(out.glob("*.ipk")))
        if target:
            self._emulate(target)
        else:
            self._bring_libraries(binary)
        version = self.router.shell("/usr/bin/trackerd", "--version")
        if not version.startswith("trackerd "):
            raise Failed(version)

    def check(self) -> None:
        """As it comes it is not enabled; a fault is found by `check`, with file and line."""
        if "started" in self.router.service("start"):
            raise Failed("it starts without being told to")
        self._configure("list setting 'tracker.intervall 900'")
        found = self.router.attempt("sh", "/etc/rc.common", "/etc/init.d/trackerd", "check")
        if found.returncode == 0 or "did you mean tracker.interval?" not in found.stdout:
            raise Failed(found.stdout)
        self._configure("option interval 'often'")
        found = self.router.attempt("sh", "/etc/rc.common", "/etc/init.d/trackerd", "check")
        if found.returncode == 0 or "section main is not valid" not in found.stdout:
            raise Failed(found.stdout)
        self._configure()
        self.router.service("check")

    def start(self) -> None:
        self.payload = Payload("walkthrough")
        self.other = Payload("another")
        self.router.write(WHITELIST, f"{self.payload.info_hash.hex()}\n")
        self._expect("start", "started main")
        self.router.until_logged("ready: ")
        self._look_at_the_instance()
        status = Path(f"/proc/{self.router.pid()}/status").read_text()
        uids = next(line for line in status.splitlines() if line.startswith("Uid:"))
        if uids.split()[1:] != ["6969"] * 4:
            raise Failed(f"it runs as {uids}")
        triggers = self.router.service("triggers")
        if triggers != "reload trigger: trackerd\nvalidation: validate\n":
            raise Failed(triggers)

    def announce(self) -> None:
        self._run_client(self.payload)
        until(lambda: self._peers() == 1, f"the client never got in\n{self.router.log()}")

    def leave_alone(self) -> None:
        """A reload without a change is none."""
        self._expect("reload", "")

    def edit_the_whitelist(self) -> None:
        pid = self.router.pid()
        self.router.write(WHITELIST, f"# others\n{self.other.info_hash.hex()}\n")
        self._expect("reload", "signalled main")
        self.router.until_logged("reload: done")
        if self.router.pid() != pid:
            raise Failed("it is another process")
        refused = self._run_client(self.payload)
        until(lambda: "is not authorized" in _text(refused), _text(refused))
        served = self._run_client(self.other)
        until(lambda: self._peers() == 2, f"{_text(served)}\n{self.router.log()}")

    def keep_what_works(self) -> None:
        """A change of the configuration is a reload, too, and a fault changes nothing."""
        self._configure("option interval '900'", "list stats '192.0.2.1'")
        self._expect("reload", "signalled main")
        self.router.until_logged("reload: done", 2)
        self._configure("list setting 'nonsense 1'")
        self._expect("reload", "signalled main")
        self.router.until_logged("the configuration in force stays")

    def stop(self) -> None:
        pid = self.router.pid()
        self._expect("stop", "ended main")
        until(lambda: not Path(f"/proc/{pid}").exists(), "it did not end")

    def _expect(self, action: str, said: str) -> None:
        heard = self.router.service(action).strip()
        if heard != said:
            raise Failed(f"{action}: expected `{said}`, heard `{heard}`\n{self.router.log()}")

    def _configure(self, *lines: str) -> None:
        lines = [
            "option enabled '1'", "option internet '1'",
            f"list listen '127.0.0.1:{self.port}'", f"option whitelist '/{WHITELIST}'", *lines]
        text = "".join(f"\t{line}\n" for line in lines)
        self.router.write("etc/config/trackerd", f"config tracker 'main'\n{text}")

    def _look_at_the_instance(self) -> None:
        """What procd was told: all that a service on a router should have."""
        told = self.router.read("var/run/procd/main/old").splitlines()
        for line in (
            "command /usr/bin/trackerd -f /var/etc/trackerd/main.conf",
            "file /var/etc/trackerd/main.conf", f"file /{WHITELIST}",
            "reload_signal HUP", "respawn 3600 5 5", "limits nofile=16384 16384 core=0 0",
            "stdout 1", "stderr 1", "user trackerd", "group trackerd", "no_new_privs 1",
            "jail trackerd ronly log", "mount /var/etc/trackerd", "mount /etc/trackerd",
            f"dest_port {self.port}", "target ACCEPT",
        ):
            if line not in told:
                raise Failed(f"procd is not told: {line}\n{told}")

    def _emulate(self, target: str) -> None:
        done = subprocess.run(
            [ROOT / "scripts/cross", "emulator", target], text=True, capture_output=True,
            check=True)
        emulator, _, options = done.stdout.strip().partition(" ")
        program = self.router.root / "usr/bin/trackerd"
        program.rename(program.with_suffix(".real"))
        shutil.copy(emulator, self.router.root / "usr/bin/emulator")
        program.write_text(
            f'#!/bin/sh\nexec /usr/bin/emulator {options} /usr/bin/trackerd.real "$@"\n')
        program.chmod(0o755)

    def _bring_libraries(self, binary: Path) -> None:
        listed = subprocess.run(["ldd", binary], text=True, capture_output=True, check=False)
        for word in listed.stdout.split():
            if word.startswith("/"):
                to = self.router.root / word.lstrip("/")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, to)

    def _run_client(self, payload: Payload) -> Path:
        """aria2, which has the file and announces it over HTTP; its log."""
        directory = self.directory / f"client{len(self.clients)}"
        directory.mkdir()
        payload.put_into(directory)
        torrent = directory / "a.torrent"
        torrent.write_bytes(payload.torrent([f"http://127.0.0.1:{self.port}/announce"]))
        argv = [
            "aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false",
            "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--interface=127.0.0.1",
            "--disable-ipv6=true", "--seed-ratio=0.0", "--check-integrity=true",
            f"--listen-port={_free_port()}", f"--dir={directory}", "--file-allocation=none",
            "--show-console-readout=false", "--log-level=info", f"--log={directory / 'told'}",
            str(torrent)]
        self.clients.append(Process(argv, directory, directory / "log"))
        return directory / "told"

    def _peers(self) -> int:
        """Peers in all, as the statistics tell."""
        try:
            url = f"http://127.0.0.1:{self.port}/stats?mode=peer"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(url, timeout=5) as answer:
                return int(answer.read().split()[0])
        except OSError:
            return -1


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _obstacle() -> str | None:
    missing = [package for name, package in PACKAGES.items() if not shutil.which(name)]
    if missing:
        install = [ROOT / "scripts/install-packages", *missing]
        done = subprocess.run(install, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            return done.stderr.strip()
    return None if os.geteuid() == 0 else "only root may make a router's root directory its own"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--target", metavar="TARGET", help="whose program it is")
    parser.add_argument("--binary", type=Path, metavar="FILE", help="the program")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
