#!/usr/bin/python3
"""A well-behaved client that others are tormenting the tracker of: asks, one request after the
other, until its input ends, and prints how long the answers took and how many never came.

A program of its own, so that it doesn't wait for the attackers' thread. By UDP it asks again
after half a second, as BEP 15 wants it, if sooner; every request has ten seconds. `kept` is HTTP
over a connection that stays.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

import messages

PATIENCE_SECS = 10.0
AGAIN_SECS = 0.5
PAUSE_SECS = 0.01
SOURCE = "127.0.0.9"
TORRENT = messages.torrent(0)


class Lost(Exception):
    """No answer, or not the one that was due."""


class Client:
    """Asks a tracker in the given ways, by turns."""

    def __init__(self, port: int, ways: list[str]):
        self.port = port
        self.ways = ways
        self.latencies: list[float] = []
        self.lost: list[str] = []
        self.again = 0
        self._kept: socket.socket | None = None
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((SOURCE, 0))
        self._udp.connect(("127.0.0.1", port))
        self._connection_id = 0
        self._transaction = 0

    def turn(self) -> None:
        for way in self.ways:
            began = time.monotonic()
            try:
                getattr(self, f"ask_{way}")()
                self.latencies.append(time.monotonic() - began)
            except (OSError, Lost) as error:
                self.lost.append(f"{way}: {error!r}")
                self._kept = None

    def ask_udp(self) -> None:
        """An announce, with a new connection id now and then."""
        if self._transaction % 100 == 0:
            answer = self._exchange(lambda number: messages.connect(number), messages.CONNECT)
            self._connection_id = int.from_bytes(answer[8:16], "big")
        self._exchange(
            lambda number: messages.announce(
                self._connection_id, number, info_hash=TORRENT, port=7001),
            messages.ANNOUNCE)

    def _exchange(self, datagram, action: int) -> bytes:
        deadline = time.monotonic() + PATIENCE_SECS
        first = self._transaction + 1
        while time.monotonic() < deadline:
            self._transaction += 1
            self.again += self._transaction > first
            self._udp.send(datagram(self._transaction))
            until = time.monotonic() + AGAIN_SECS
            while select.select([self._udp], [], [], max(0, until - time.monotonic()))[0]:
                answer = self._udp.recv(4096)
                if first <= int.from_bytes(answer[4:8], "big") <= self._transaction:
                    if messages.action(answer) == action:
                        return answer
                    raise Lost(f"answered {answer!r}")
        raise Lost("no answer")

    def ask_http(self) -> None:
        """An announce over a connection of its own."""
        with self._connected() as stream:
            path = messages.target(TORRENT, port=7002)
            stream.sendall(messages.get(path, close=True))
            answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
        if b" 200 " not in answer[:13] or not answer.endswith(b"e"):
            raise Lost(f"answered {answer[:60]!r}")

    def ask_kept(self) -> None:
        """An announce over the connection that stays."""
        if self._kept is None:
            self._kept = self._connected()
        self._kept.sendall(messages.get(messages.target(TORRENT, port=7003)))
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"e"):
            more = self._kept.recv(1 << 16)
            if not more:
                raise Lost("closed")
            answer += more
        if b" 200 " not in answer[:13]:
            raise Lost(f"answered {answer[:60]!r}")

    def _connected(self) -> socket.socket:
        return socket.create_connection(
            ("127.0.0.1", self.port), PATIENCE_SECS, source_address=(SOURCE, 0))


def main() -> None:
    client = Client(int(sys.argv[1]), sys.argv[2].split(","))
    # Whoever waits for this line can count on the connection that stays.
    client.turn()
    print("asking", flush=True)
    while not select.select([sys.stdin], [], [], PAUSE_SECS)[0]:
        client.turn()
    print(json.dumps({
        "latencies": client.latencies, "lost": client.lost, "again": client.again}))


if __name__ == "__main__":
    main()
