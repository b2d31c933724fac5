"""Nodes: trackers on hosts of their own, and peers that announce to them."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import struct
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes

import bencode
import network
from process import Process

PORT = 6969
READY_SECS_MAX = 20.0
POLL_SECS = 0.02
# The one who looks whom a node knows; it is a peer itself, the same one everywhere.
OBSERVER = ("10.9.9.9", 9)


class Counts(NamedTuple):
    """What a scrape tells of one torrent."""

    seeders: int
    leechers: int
    completed: int


def torrent(name: str) -> bytes:
    return hashlib.sha1(name.encode()).digest()


class Node:
    """One tracker on one host."""

    binary: str

    def __init__(self, directory: Path, server_url: str, settings: dict, host=None):
        directory.mkdir()
        self.directory = directory
        self.host = host or network.Host([4])
        self.address = self.host.addresses[4]
        self.settings = {
            "tracker.user": "root",
            "tracker.workers": "2",
            "tracker.ip_from_query": "10.77.0.0/16",
            "limit.announces_per_sec": "0", "limit.connections_per_sec": "0",
            "limit.scrapes_per_sec": "0", "limit.connects_per_sec": "0",
            **({"bus.server": server_url} if server_url else {}), **settings}
        self.process: Process | None = None
        self.starts = 0

    def start(self) -> Node:
        configuration = self.directory / "trackerd.conf"
        lines = [f"listen.tcp_udp {self.address}:{PORT}"]
        lines += [f"{key} {value}" for key, value in self.settings.items()]
        configuration.write_text("\n".join(lines) + "\n")
        self.starts += 1
        log = self.directory / f"log-{self.starts}"
        argv = self.host.command([self.binary, "-f", str(configuration)])
        self.process = Process(argv, self.directory, log)
        deadline = time.monotonic() + READY_SECS_MAX
        while b"\nready: " not in b"\n" + log.read_bytes():
            if self.process.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError("\n".join(self.process.log_tail(9)))
            time.sleep(POLL_SECS)
        return self

    def connected(self) -> Node:
        """Waits until it both tells and hears."""
        until(lambda: self.count("connects") >= 2, "a node never met the server")
        return self

    def terminate(self) -> None:
        if self.process.terminate(10) != 0:
            raise RuntimeError(f"exit code {self.process.exit_code} at the end")

    def kill(self) -> None:
        if self.process:
            self.process.kill()

    def pause(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def get(self, target: str) -> bytes:
        connection = http.client.HTTPConnection(self.address, PORT, timeout=10)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"{target}: {response.status} {body[:200]!r}")
            return body
        finally:
            connection.close()

    def announce(self, info_hash: bytes, peer: tuple, left=1, event="", numwant=0) -> dict:
        """Announces a peer, an address and a port, whoever it is."""
        said = bencode.decode(self.get(
            f"/announce?info_hash={quote_from_bytes(info_hash, safe='')}"
            f"&peer_id=-BS0001-abcdefghijkl&ip={peer[0]}&port={peer[1]}"
            f"&uploaded=0&downloaded=0&left={left}&compact=1&event={event}&numwant={numwant}"))
        if b"failure reason" in said:
            raise RuntimeError(said[b"failure reason"].decode())
        return said

    def scrape(self, info_hash: bytes) -> Counts:
        said = bencode.decode(self.get(f"/scrape?info_hash={quote_from_bytes(info_hash, safe='')}"))
        counts = said.get(b"files", {}).get(info_hash, {})
        return Counts(*(counts.get(key, 0) for key in (b"complete", b"incomplete", b"downloaded")))

    def peers(self, info_hash: bytes) -> set:
        """Whom it knows in a torrent of few, but for the observer."""
        said = self.announce(info_hash, OBSERVER, numwant=200)
        data = said[b"peers"]
        rows = [data[at:at + 6] for at in range(0, len(data), 6)]
        found = {(socket.inet_ntoa(row[:4]), int.from_bytes(row[4:], "big")) for row in rows}
        return found - {OBSERVER}

    def count(self, name: str) -> int:
        """One of the counts of the bus."""
        for line in self.get("/stats?mode=bus").decode().splitlines():
            if line.startswith(name + ": "):
                return int(line.rpartition(" ")[2])
        raise KeyError(name)

    def connection_id(self, source: str) -> bytes:
        """As a UDP client gets it that sends from an address of ours."""
        return self.ask(source, bytes.fromhex("0000041727101980") + bytes(8))[8:]

    def ask(self, source: str, datagram: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.bind((source, 0))
            sock.connect((self.address, PORT))
            sock.send(datagram)
            return sock.recv(2000)


def udp_announce(connection_id: bytes, info_hash: bytes, port: int, left=1) -> bytes:
    """A started peer."""
    return connection_id + struct.pack(
        "!II20s20sQQQIIIiH", 1, 7, info_hash, b"-BS0001-abcdefghijkl",
        0, left, 0, 2, 0, 1, -1, port)


def until(condition, complaint: str, secs_max: float = 20.0) -> float:
    """Polls until the condition holds; how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > secs_max:
            raise AssertionError(complaint)
        time.sleep(POLL_SECS)
    return time.monotonic() - began
