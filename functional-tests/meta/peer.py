"""Peers (BEP 3, 10 and 11): scripted ones, and a look at what a real client says of itself."""

from __future__ import annotations

import hashlib
import secrets
import socket
import struct
import threading
import time

import bencode

PROTOCOL = b"\x13BitTorrent protocol"
EXTENDED = 20
# As what we want to be sent metadata (BEP 9), and they.
OUR_METADATA, METADATA = 3, 2
RESERVED = bytes([0, 0, 0, 0, 0, 0x10, 0, 0x05])
# With a name of that length, no torrent has another's.
NAME_LEN = 16
INFO = {
    "length": 1, "name": "a" * NAME_LEN, "piece length": 16384, "pieces": bytes(20 * 2000)}
PRIVATE = bencode.encode({**INFO, "private": 1})
PIECE_LEN = 16 << 10
PUBLIC = {
    "m": {"ut_metadata": METADATA, "ut_pex": 1}, "metadata_size": len(bencode.encode(INFO)),
    "v": "scripted"}
# What each says in its extension handshake: as libtorrent does, with a torrent of that kind.
DICTIONARIES = {
    "public": PUBLIC,
    "private": {"m": {}, "v": "scripted"},
    "magnet": {"m": {"ut_metadata": METADATA, "ut_pex": 1}, "v": "scripted"},
    # As aria2 and rTorrent do.
    "private but given": {**PUBLIC, "metadata_size": len(PRIVATE)},
    "invented metadata": PUBLIC,
    "longer than said": {**PUBLIC, "metadata_size": 1000},
    "endless metadata": {**PUBLIC, "metadata_size": 1 << 40},
    "metadata refused": PUBLIC,
    "metadata never sent": PUBLIC,
    "empty metadata": {**PUBLIC, "metadata_size": 0},
    "no metadata": {"m": {"ut_pex": 1}, "metadata_size": 1234},
    "taken back": {**PUBLIC, "m": {"ut_metadata": 0, "ut_pex": 1}},
}
# Those that say nothing of the kind.
OTHERS = ["silent", "deaf", "other torrent", "no extensions", "junk", "huge", "dripping"]
PATIENCE_SECS = 10.0


class Peer:
    """Listens at an address, and says the same to everybody who asks for its torrent."""

    def __init__(
        self, kind: str, host: str, others: list[tuple[str, int]] | None = None
    ):
        self.kind = kind
        info = {**INFO, "name": secrets.token_hex(NAME_LEN // 2)}
        if kind == "private but given":
            info["private"] = 1
        self.metadata = bencode.encode(info)
        self.info_hash = hashlib.sha1(self.metadata).digest()
        if kind == "invented metadata":
            self.info_hash = secrets.token_bytes(20)
        self.others = others or []
        # Info-hashes of those who came.
        self.visits: list[bytes] = []
        self._ending = threading.Event()
        self._listener = socket.create_server((host, 0), backlog=64)
        self.host, self.port = self._listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_) -> None:
        self._ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(stream,), daemon=True).start()

    def _meet(self, stream: socket.socket) -> None:
        stream.settimeout(PATIENCE_SECS)
        with stream:
            try:
                said = receive(stream, 68)
                self.visits.append(said[28:48])
                self._answer(stream, said[28:48])
            except OSError:
                pass

    def _answer(self, stream: socket.socket, asked: bytes) -> None:
        if self.kind == "silent":
            self._ending.wait(PATIENCE_SECS)
            return
        if asked != self.info_hash:
            return
        if self.kind == "junk":
            stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9)
            return
        stream.sendall(handshake(
            bytes(20) if self.kind == "other torrent" else asked,
            bytes(8) if self.kind == "no extensions" else RESERVED))
        if self.kind == "dripping":
            for byte in extended(0, bencode.encode(PUBLIC)):
                if self._ending.wait(1.0):
                    return
                stream.sendall(bytes([byte]))
        elif self.kind == "huge":
            stream.sendall(struct.pack("!IBB", 1 << 30, EXTENDED, 0) + b"d" * (1 << 20))
        elif self.kind != "deaf":
            said = DICTIONARIES.get(self.kind, PUBLIC)
            stream.sendall(extended(0, bencode.encode(said)))
            theirs = extension_handshake(stream).get(b"m", {})
            if self.others:
                self._tell(stream, theirs.get(b"ut_pex", 0))
            while self.kind != "metadata never sent":
                self._give(stream, theirs.get(b"ut_metadata", 0))
        while stream.recv(1 << 16):
            pass

    def _give(self, stream: socket.socket, number: int) -> None:
        """A piece of the metadata, as soon as it is asked for."""
        at = bencode.decode(message(stream, METADATA))[b"piece"]
        head = {"msg_type": 1, "piece": at, "total_size": len(self.metadata)}
        piece = self.metadata[at * PIECE_LEN:(at + 1) * PIECE_LEN]
        if self.kind == "metadata refused":
            head, piece = {"msg_type": 2, "piece": at}, b""
        stream.sendall(extended(number, bencode.encode(head) + piece))

    def _tell(self, stream: socket.socket, number: int) -> None:
        """A message of peer exchange, by the number that the other wants it under."""
        if not number:
            return
        data = b"".join(
            socket.inet_aton(ip) + struct.pack("!H", port) for ip, port in self.others)
        message = {"added": data, "added.f": bytes(len(self.others)), "dropped": b""}
        stream.sendall(extended(number, bencode.encode(message)))


def handshake(info_hash: bytes, reserved: bytes = RESERVED) -> bytes:
    return PROTOCOL + reserved + info_hash + b"-XX0000-0123456789ab"


def extended(number: int, body: bytes) -> bytes:
    return struct.pack("!IBB", len(body) + 2, EXTENDED, number) + body


def receive(stream: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def message(stream: socket.socket, number: int) -> bytes:
    """The next message of that extension; others are passed over."""
    deadline = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < deadline:
        length = struct.unpack("!I", receive(stream, 4))[0]
        said = receive(stream, length)
        if said[:2] == bytes([EXTENDED, number]):
            return said[2:]
    raise TimeoutError("no such message")


def extension_handshake(stream: socket.socket) -> dict:
    """What the other side says of its extensions."""
    return bencode.decode(message(stream, 0))


def proof(host: str, port: int, info_hash: bytes) -> str:
    """What a client shows of its torrent: `yes`, it is public; `no`, it is not; `unknown`; or
    `forged`, for metadata of another torrent."""
    with socket.create_connection((host, port), PATIENCE_SECS) as stream:
        stream.sendall(handshake(info_hash))
        if not receive(stream, 68)[25] & 0x10:
            return "no"
        stream.sendall(extended(0, bencode.encode({"m": {"ut_metadata": OUR_METADATA}})))
        said = extension_handshake(stream)
        number = said.get(b"m", {}).get(b"ut_metadata")
        if not number:
            return "no"
        size = said.get(b"metadata_size", 0)
        if not size:
            return "unknown"
        metadata = b""
        while len(metadata) < size:
            request = {"msg_type": 0, "piece": len(metadata) // PIECE_LEN}
            stream.sendall(extended(number, bencode.encode(request)))
            metadata += message(stream, OUR_METADATA)[-min(PIECE_LEN, size - len(metadata)):]
    if hashlib.sha1(metadata).digest() != info_hash:
        return "forged"
    info = bencode.decode(metadata)
    return "no" if info.get(b"private") else "yes"
