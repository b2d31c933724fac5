"""Handshakes that are never finished, from addresses that nobody has.

Only in a network of the tests' own: a route there takes the answers to where nobody is.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess

# For documentation (RFC 5737); in that network it leads nowhere.
NOBODY = "198.51.100.0/24"
# Set by who made that network.
APART = "TORTURE_APART"


def obstacle() -> str | None:
    """Why it cannot be tried."""
    return None if os.environ.get(APART) else "needs a network of its own"


def prepare() -> None:
    """Leads answers to those addresses away."""
    subprocess.run(["ip", "route", "replace", NOBODY, "dev", "lo"], check=True)


def socket_for_any_address() -> socket.socket:
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    return raw


def opening(number: int, host: str, port: int) -> bytes:
    """The first packet of a connection, from one of 250 addresses and any port."""
    source = socket.inet_aton(NOBODY.split("/")[0])[:3] + bytes([1 + number % 250])
    to = socket.inet_aton(host)
    ports = 1024 + number // 250 % 64000, port
    tcp = struct.pack(">HHIIBBHHH", *ports, number, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = source + to + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, socket.IPPROTO_TCP, 0)
    return head + source + to + tcp


def waiting(port: int) -> int:
    """How many connections to that port are half open (SYN_RECV is 03)."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "03" for row in rows)


def checksum(data: bytes) -> int:
    """The Internet's (RFC 1071), of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
