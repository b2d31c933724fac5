#!/usr/bin/python3
"""trackerd beside Debian's opentracker: the same configuration file, the same requests, and the
same answers, field by field.

What may differ is named here: times and rates, the version, ids, labels that opentracker shifts,
and what it has no counts for. Everything else must be equal.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))
import bencode  # noqa: E402
from process import Process  # noqa: E402

PATIENCE_SECS = 10.0
POLL_SECS = 0.02
HASHES = [bytes(range(n * 20, min(n * 20 + 20, 256))).ljust(20, b"a") for n in range(13)]
DENIED = bytes(20)


class Tracker:
    """A tracker under test, started with a configuration file like an operator's."""

    def __init__(self, name: str, argv: list[str], folder: Path, port: int):
        self.name, self.port = name, port
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "whitelist").write_text("".join(f"{name.hex()}\n" for name in HASHES))
        configuration = folder / "opentracker.conf"
        configuration.write_text(
            "# As an operator of opentracker has it.\n"
            f"listen.tcp_udp 127.0.0.1:{port}\n"
            f"access.whitelist {folder}/whitelist\n"
            "access.stats 127.0.0.1\n"
            "tracker.user nobody\n")
        self.process = Process([*argv, "-f", str(configuration)], folder, folder / "log")
        deadline = time.monotonic() + PATIENCE_SECS
        while not self.serves():
            if self.process.exit_code is not None or time.monotonic() > deadline:
                sys.exit(f"{name} does not serve: {self.process.log_tail(5)}")
            time.sleep(POLL_SECS)

    def serves(self) -> bool:
        """Asks by UDP, so that no connection is counted; ids are asked for all the same."""
        try:
            self.connection = self.connect()
            return True
        except OSError:
            return False

    def get(self, target: str, headers: str = "") -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECS) as stream:
            request = f"GET {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"
            stream.sendall(request.encode())
            answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        if b"transfer-encoding: chunked" in head.lower():
            body = join_chunks(body)
        if b"content-encoding: gzip" in head.lower():
            body = gzip.decompress(body)
        return status, body

    def connect(self) -> int:
        with self.udp() as udp:
            udp.send(struct.pack(">QII", 0x41727101980, 0, 7))
            action, transaction, connection = struct.unpack(">IIQ", udp.recv(64))
        assert (action, transaction) == (0, 7)
        return connection

    def udp(self) -> socket.socket:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.settimeout(PATIENCE_SECS)
        udp.connect(("127.0.0.1", self.port))
        return udp

    def ask(self, action: int, body: bytes, connection: int | None = None) -> bytes:
        """The answer to a UDP request, without its first eight bytes."""
        with self.udp() as udp:
            connection = self.connection if connection is None else connection
            udp.send(struct.pack(">QII", connection, action, 9) + body)
            answer = udp.recv(4096)
        assert answer[4:8] == b"\0\0\0\x09"
        return answer[8:]

    def stop(self) -> None:
        self.process.kill()


def join_chunks(body: bytes) -> bytes:
    parts = []
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2:]


def announce(tracker: Tracker, info_hash: bytes, **said) -> object:
    said = {"port": 7000, "left": 1, "compact": 1, **said}
    query = "&".join(f"{key}={value}" for key, value in said.items())
    quoted = urllib.parse.quote(info_hash, safe="")
    status, body = tracker.get(f"/announce?info_hash={quoted}&{query}")
    assert status == 200, (tracker.name, status, body)
    return bencode.decode(body)


def announce_udp(tracker: Tracker, info_hash: bytes, port: int, left: int, event: int) -> bytes:
    body = struct.pack(
        ">20s20sQQQIIIiH", info_hash, b"-XX0000-abcdefghijkl", 0, left, 0, event, 0, 1, -1, port)
    return tracker.ask(1, body)


def drive(tracker: Tracker) -> dict[str, object]:
    """The same requests for both; what their answers say that must not differ."""
    answers: dict[str, object] = {}
    for number, info_hash in enumerate(HASHES[:-1]):
        for peer in range(number % 4 + 1):
            said = {"port": 7000 + peer, "left": peer % 2}
            answers[f"announce {number} {peer}"] = counts(announce(tracker, info_hash, **said))
    first = HASHES[0]
    answers["completed"] = counts(announce(tracker, first, left=0, event="completed"))
    answers["completed again"] = counts(announce(tracker, first, left=0, event="completed"))
    # To those who stop opentracker doesn't say how many have completed.
    for what, info_hash, port in [("stopped", HASHES[1], 7000), ("unknown", HASHES[12], 9)]:
        reply = announce(tracker, info_hash, port=port, left=0, event="stopped")
        answers[what] = (reply[b"complete"], reply[b"incomplete"])
    answers["numwant 0"] = counts(announce(tracker, first, numwant=0))
    for number in range(6):
        reply = announce_udp(tracker, HASHES[number], 8000 + number, number % 2, number % 4)
        _, leechers, seeders = struct.unpack(">III", reply[:12])
        answers[f"udp {number}"] = (leechers, seeders)
    answers["udp scrape"] = tracker.ask(2, b"".join(HASHES[:5]) + HASHES[12])
    wrong = tracker.ask(1, bytes(82), connection=tracker.connection ^ 1)
    answers["wrong id is told so"] = b"onnection ID mis" in wrong
    quoted = "&".join(f"info_hash={urllib.parse.quote(name, safe='')}" for name in HASHES[:6])
    answers["scrape"] = files(tracker.get(f"/scrape?{quoted}")[1])
    denied = announce(tracker, DENIED)
    answers["denied"] = denied[b"failure reason"]
    answers["full scrape"] = tracker.get("/scrape")[1]
    answers["full scrape, gzip"] = tracker.get("/scrape", "Accept-Encoding: gzip\r\n")[1]
    for target in ["/nowhere", "/", "/stats?mode=nonsense", "/stats?mode=busy"]:
        answers[target] = tracker.get(target)[0]
    return answers


def counts(reply: dict) -> dict:
    return {key: reply[key] for key in [b"complete", b"incomplete", b"downloaded"]}


def files(body: bytes) -> dict:
    """A scrape without what opentracker doesn't know."""
    found = bencode.decode(body)[b"files"]
    return {
        name: {key: n for key, n in file.items() if key != b"downloaders"}
        for name, file in found.items()}


def text(tracker: Tracker, mode: str) -> str:
    status, body = tracker.get(f"/stats?mode={mode}")
    assert status == 200, (tracker.name, mode, status)
    return body.decode("latin-1")


def without_times(told: str) -> str:
    """Texts with a number of seconds, and rates that follow from it."""
    told = re.sub(r"\d+ seconds \(\d+ hours\)", "N seconds (N hours)", told)
    return re.sub(r"\d+ (conns|success|scrape|bytes|completed)/(s|h)", r"N \1/\2", told)


def leaves(told: str) -> list[tuple[str, str | None]]:
    """Paths and texts of all elements that hold no others, in order."""
    found: list[tuple[str, str | None]] = []

    def walk(element: ElementTree.Element, path: str) -> None:
        attributes = "".join(f"[{key}={value}]" for key, value in element.attrib.items())
        path = f"{path}/{element.tag}{attributes}"
        if len(element) == 0:
            found.append((path, (element.text or "").strip()))
        for child in element:
            walk(child, path)

    walk(ElementTree.fromstring(told), "")
    return found


# What only one of the two counts, or counts elsewhere: opentracker's labels of errors are
# shifted, and it answers parameters with 400 where trackerd gives a failure reason.
UNLIKE = re.compile(r"tracker_id|version|uptime|http_error|mutex_stall")


def statistics(tracker: Tracker) -> dict[str, object]:
    """Every mode of the statistics as far as it must be equal."""
    told: dict[str, object] = {}
    for mode in ["peer", "torr", "conn", "tcp4", "udp4", "scrp", "completed"]:
        told[mode] = without_times(text(tracker, mode))
    for mode in ["renew", "s24s"]:
        told[mode] = text(tracker, mode)
    # Numbers of full scrapes are always 0 there; so are those of live sync in this build.
    told["fscr"] = without_times(text(tracker, "fscr")).split("\n", 2)[2]
    told["syncs"] = without_times(text(tracker, "syncs"))
    told["herr, labels"] = [line.rsplit(" ", 1)[0] for line in text(tracker, "herr").splitlines()]
    for mode in ["top10", "top100"]:
        # Newer opentrackers list leechers as well.
        told[mode] = re.sub(r"Top \d+ torrents by leechers:\n(\t.*\n)*", "", text(tracker, mode))
    everything = leaves(text(tracker, "everything"))
    told["everything, names"] = [path for path, _ in everything]
    told["everything, numbers"] = [leaf for leaf in everything if not UNLIKE.search(leaf[0])]
    told["everything, types"] = [
        path for path, value in everything if "version" in path or value.isdigit()]
    for shape in ["txt", "txtp", "url", "bin", "ben"]:
        told[f"tpbs, {shape}"] = tracker.get(f"/stats?mode=tpbs&format={shape}")[1]
    # The minute may have passed between the two.
    told["statedump"] = re.sub(r":\d{8}:", ":MINUTES:", text(tracker, "statedump"))
    return told


def compare(what: str, ours: dict[str, object], theirs: dict[str, object]) -> int:
    """Prints what differs; how much does."""
    differing = [name for name in theirs if ours.get(name) != theirs[name]]
    assert ours.keys() == theirs.keys()
    for name in differing:
        print(f"DIFFERS {what}: {name}\n  trackerd    {ours[name]!r}\n"
              f"  opentracker {theirs[name]!r}")
    print(f"{what}: {len(theirs) - len(differing)} equal, {len(differing)} differ")
    return len(differing)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True, help="trackerd")
    parser.add_argument("--opentracker", default=shutil.which("opentracker"))
    options = parser.parse_args()
    if not options.opentracker:
        print("SKIPPED: the comparison with opentracker: it is not installed")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="beside-"))
    folder.chmod(0o755)
    differing = 0
    try:
        for workers in ["1", "2"]:
            own = [os.path.abspath(options.binary), "--workers", workers]
            differing += beside(folder / workers, own, [options.opentracker], workers)
    finally:
        shutil.rmtree(folder)
    return min(differing, 1)


def beside(folder: Path, own: list[str], other: list[str], workers: str) -> int:
    folder.mkdir()
    folder.chmod(0o755)
    trackers = []
    try:
        trackers.append(Tracker("trackerd", own, folder / "trackerd", free_port()))
        trackers.append(Tracker("opentracker", other, folder / "opentracker", free_port()))
        ours, theirs = trackers
        differing = compare(f"answers, workers {workers}", drive(ours), drive(theirs))
        told = statistics(ours), statistics(theirs)
        return differing + compare(f"statistics, workers {workers}", *told)
    finally:
        for tracker in trackers:
            tracker.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
