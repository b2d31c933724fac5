"""Clients that ask by hand, from whatever address of ours."""

from __future__ import annotations

import http.client
import select
import socket
import struct
import time
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

import bencode
import messages
from endpoint import compact_peers

PATIENCE_SECS = 15.0
# Announces on their way at a time.
WINDOW = 50
META = "/announce?meta=1"
EVENTS = {"": 0, "completed": 1, "started": 2, "stopped": 3, "paused": 4}


@dataclass
class Reply:
    """An answer to an announce, and how long it took."""

    peers: frozenset
    seeders: int
    leechers: int
    interval: int
    secs: float


class NoReply(Exception):
    """None, or not one that was due."""


class Asker:
    """A client at an address of ours, that listens at a port, or says so."""

    def __init__(self, address: str, port: int, source: str, listening: int = 6881):
        self.address, self.port = address, port
        self.source, self.listening = source, listening
        self._udp: socket.socket | None = None
        self._id = 0
        self._transaction = 0

    @property
    def _family(self) -> int:
        return 6 if ":" in self.source else 4

    def http(self, info_hash: bytes, url: str = META, agent: str = "", **said) -> Reply:
        """Announces by HTTP."""
        said = {"port": self.listening, "uploaded": 0, "downloaded": 0, "left": 1, "compact": 1,
                "event": "started", **said}
        query = "".join(f"&{name}={value}" for name, value in said.items())
        mark = "&" if "?" in url else "?"
        began = time.monotonic()
        answer = self.get(
            f"{url}{mark}info_hash={quote_from_bytes(info_hash, safe='')}"
            f"&peer_id={self.peer_id.decode()}{query}", agent)
        secs = time.monotonic() - began
        dictionary = bencode.decode(answer)
        if b"failure reason" in dictionary:
            raise NoReply(f"refused: {dictionary[b'failure reason']!r}")
        peers = compact_peers(dictionary.get(b"peers", b""), 4)
        peers |= compact_peers(dictionary.get(b"peers6", b""), 16)
        return Reply(
            peers, dictionary.get(b"complete", 0), dictionary.get(b"incomplete", 0),
            dictionary[b"interval"], secs)

    def get(self, target: str, agent: str = "") -> bytes:
        connection = http.client.HTTPConnection(
            self.address, self.port, timeout=PATIENCE_SECS, source_address=(self.source, 0))
        try:
            connection.request("GET", target, headers={"User-Agent": agent} if agent else {})
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise NoReply(f"HTTP: {error!r}") from error
        finally:
            connection.close()

    def scrape(self, info_hash: bytes, url: str = "/scrape?meta=1") -> tuple[int, int, int]:
        """Seeders, leechers and downloads, by HTTP."""
        said = bencode.decode(self.get(f"{url}&info_hash={quote_from_bytes(info_hash, safe='')}"))
        counts = said.get(b"files", {}).get(info_hash, {})
        return tuple(counts.get(key, 0) for key in (b"complete", b"incomplete", b"downloaded"))

    @property
    def peer_id(self) -> bytes:
        return b"-XX0000-" + b"%012d" % self.listening

    def udp(self, info_hash: bytes, url: str = META, patience: float = PATIENCE_SECS,
            connection_id: int | None = None, **said) -> Reply | None:
        """Announces by UDP, with the URL as BEP 41 has it; `None` without an answer in time."""
        sock = self.socket()
        if connection_id is None:
            connection_id = self.given_id()
        said = {"peer_id": self.peer_id, "port": self.listening, "event": 2, **said}
        datagram = messages.announce(connection_id, self._number(), info_hash=info_hash, **said)
        began = time.monotonic()
        sock.send(datagram + url_data(url))
        answer = self._answer(datagram[12:16], patience)
        if answer is None:
            return None
        if len(answer) < 20 or messages.action(answer) != messages.ANNOUNCE:
            raise NoReply(f"UDP: {answer[:64]!r}")
        interval, leechers, seeders = struct.unpack_from("!III", answer, 8)
        peers = compact_peers(answer[20:], 16 if self._family == 6 else 4)
        return Reply(peers, seeders, leechers, interval, time.monotonic() - began)

    def flood(self, hashes: list[bytes], url: str = META) -> None:
        """Announces by UDP, many at a time, and waits for all the answers."""
        given = self.given_id()
        for at in range(0, len(hashes), WINDOW):
            waiting = set()
            for info_hash in hashes[at:at + WINDOW]:
                datagram = messages.announce(
                    given, self._number(), info_hash=info_hash, port=self.listening)
                self.socket().send(datagram + url_data(url))
                waiting.add(datagram[12:16])
            while waiting:
                if not select.select([self.socket()], [], [], PATIENCE_SECS)[0]:
                    raise NoReply(f"UDP: {len(waiting)} answers are missing")
                waiting.discard(self.socket().recv(4096)[4:8])

    def more_datagrams(self, secs: float) -> int:
        """How many come without having been asked for."""
        deadline, count = time.monotonic() + secs, 0
        while select.select([self.socket()], [], [], max(0, deadline - time.monotonic()))[0]:
            self.socket().recv(4096)
            count += 1
        return count

    def close(self) -> None:
        if self._udp:
            self._udp.close()

    def _number(self) -> int:
        self._transaction += 1
        return self._transaction

    def socket(self) -> socket.socket:
        if self._udp is None:
            family = socket.AF_INET6 if self._family == 6 else socket.AF_INET
            self._udp = socket.socket(family, socket.SOCK_DGRAM)
            self._udp.bind((self.source, 0))
            self._udp.connect((self.address, self.port))
        return self._udp

    def given_id(self) -> int:
        if not self._id:
            datagram = messages.connect(self._number())
            self.socket().send(datagram)
            answer = self._answer(datagram[12:16], PATIENCE_SECS)
            if answer is None or len(answer) != 16:
                raise NoReply(f"UDP connect: {answer!r}")
            self._id = int.from_bytes(answer[8:16], "big")
        return self._id

    def _answer(self, transaction: bytes, patience: float) -> bytes | None:
        deadline = time.monotonic() + patience
        while select.select([self.socket()], [], [], max(0, deadline - time.monotonic()))[0]:
            answer = self.socket().recv(4096)
            if answer[4:8] == transaction:
                return answer
        return None


def url_data(url: str) -> bytes:
    """Options of BEP 41 that say which URL is meant; none for the empty one."""
    data = url.encode()
    parts = [data[at:at + 255] for at in range(0, len(data), 255)]
    options = b"".join(bytes([2, len(part)]) + part for part in parts)
    return options + b"\0" if options else b""
