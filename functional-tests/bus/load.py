"""A load of UDP announces, and what it costs a tracker's worker."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from pathlib import Path

import network
from node import PORT, Node, torrent, until

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
        before = micros(node)
        for first in range(0, count, WINDOW):
            batch = datagrams[first:first + WINDOW]
            for datagram in batch:
                sock.send(datagram)
            for _ in batch:
                sock.recv(2000)
        workers = micros(node)["worker"] - before["worker"]
        if "bus.server" in node.settings:
            until(lambda: node.count("sent") == node.count("told"), "not everything was sent")
        process = micros(node).total() - before.total()
        return workers / count, process / count


def micros(node: Node) -> Counter:
    """Microseconds of CPU that the threads of a node have taken so far, by their names; those of
    the workers together."""
    found = Counter()
    for task in Path(f"/proc/{node.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        name = "worker" if name.startswith("worker") else name
        found[name] += int((task / "schedstat").read_text().split()[0]) / 1000
    return found
