"""What clients say: datagrams of BEP 15 and targets of HTTP announces, right and wrong ones."""

from __future__ import annotations

import hashlib
import struct
import urllib.parse

CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
PROTOCOL_ID = 0x41727101980
ANNOUNCE_LEN = 98
# What fits an IPv4 datagram on an Ethernet; no answer may be longer.
DATAGRAM_LEN_MAX = 1472

# The fields of an announce from the info-hash on, with what they are unless told.
FIELDS = {
    "info_hash": ("20s", bytes(20)), "peer_id": ("20s", b"-XX0000-torturetortu"),
    "downloaded": ("Q", 0), "left": ("Q", 1), "uploaded": ("Q", 0), "event": ("I", 0),
    "ip": ("I", 0), "key": ("I", 0), "numwant": ("I", 0xFFFFFFFF), "port": ("H", 6881)}


def torrent(number: int) -> bytes:
    """The info-hash of a numbered torrent. A tracker with a whitelist has the first of them."""
    return hashlib.sha1(b"torrent %d" % number).digest()


def connect(transaction: int = 1) -> bytes:
    return struct.pack(">QII", PROTOCOL_ID, CONNECT, transaction)


def announce(connection_id: int, transaction: int, **said) -> bytes:
    """An announce by UDP; numbers are cut to the size of their fields."""
    datagram = struct.pack(">QII", connection_id, ANNOUNCE, transaction)
    for name, (form, default) in FIELDS.items():
        value = said.get(name, default)
        if isinstance(value, int):
            value %= 1 << 8 * struct.calcsize(form)
        datagram += struct.pack(">" + form, value)
    return datagram


def scrape(connection_id: int, transaction: int, info_hashes: list[bytes]) -> bytes:
    return struct.pack(">QII", connection_id, SCRAPE, transaction) + b"".join(info_hashes)


def action(datagram: bytes) -> int:
    return struct.unpack_from(">I", datagram)[0] if len(datagram) >= 8 else -1


def target(info_hash: bytes, **said) -> str:
    """The target of an announce by HTTP; values are written as they are."""
    said = {"port": 6881, "left": 1, "uploaded": 0, "downloaded": 0, "compact": 1, **said}
    query = "".join(f"&{name}={value}" for name, value in said.items())
    quoted = urllib.parse.quote(info_hash, safe="")
    return f"/announce?info_hash={quoted}&peer_id=-XX0000-torturetortu{query}"


def get(path: str, headers: str = "", close: bool = False) -> bytes:
    """A request as most clients make it."""
    end = "Connection: close\r\n" if close else ""
    return f"GET {path} HTTP/1.1\r\nHost: tracker\r\n{headers}{end}\r\n".encode("latin-1")
