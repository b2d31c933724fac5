"""A load of UDP announces, and what it costs a tracker's worker."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import network
from node import PORT, Node, torrent

# As many as a socket's buffer holds, both ways.
WINDOW = 64


def announce_costs(node: Node, count: int, turn: int) -> tuple[float, float]:
    """Microseconds of CPU that the workers of a node, and all of it, take for an announce, each of
    a new peer."""
    source = network.address(1, 4)
    connection_id = node.connection_id(source)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.bind((source, 0))
        sock.connect((node.address, PORT))
        datagrams = [
            connection_id + struct.pack(
                "!II20s20sQQQIIIiH", 1, number, torrent(f"load {number % 2000}"),
                b"-BS0001-abcdefghijkl", 0, 1, 0, 2, 0, 1, 10,
                # One address: every announce is a new peer by its port and torrent.
                1 + turn * count // 2000 + number // 2000)
            for number in range(count)]
        before = _micros(node)
        for first in range(0, count, WINDOW):
            batch = datagrams[first:first + WINDOW]
            for datagram in batch:
                sock.send(datagram)
            for _ in batch:
                sock.recv(2000)
        # The bus gathers now and then.
        time.sleep(0.3)
        workers, process = (after - b for after, b in zip(_micros(node), before))
        return workers / count, process / count


def _micros(node: Node) -> tuple[float, float]:
    workers = process = 0.0
    for task in Path(f"/proc/{node.process.pid}/task").iterdir():
        micros = int((task / "schedstat").read_text().split()[0]) / 1000
        process += micros
        if (task / "comm").read_text().startswith("worker"):
            workers += micros
    return workers, process
