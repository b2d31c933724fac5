"""Connections and datagrams, and what comes back over them."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import zlib

from grammar import PATIENCE_SECS
from strict import read

# How long nothing has to come for it to be nothing, when there is no better way to tell.
SILENCE_SECS = 0.3
# How long a second datagram may be behind the first.
STRAGGLER_SECS = 0.05
MAGIC = 0x41727101980
EVENTS = {"": 0, "completed": 1, "started": 2, "stopped": 3, "paused": 4}
# From here on the kernel looks at the info-hash to choose a worker, below at the transaction.
STEERED_BY_HASH = 36


class NoAnswer(Exception):
    """What happened instead, and the bytes that came."""

    def __init__(self, what: str, data: bytes = b""):
        super().__init__(what)
        self.what = what
        self.data = data


class HttpAnswer:
    """A response; its body without chunks and compression."""

    def __init__(self, head: bytes, body: bytes, raw: bytes):
        self.head = head
        self.body = body
        self.raw = raw

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    def header(self, name: str) -> bytes | None:
        """The value of the first header of that name, in any case."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                return value.strip()
        return None

    @property
    def is_bencoded(self) -> bool:
        return self.body[:1] == b"d" and (self.body[1:2].isdigit() or self.body[1:2] == b"e")

    @property
    def value(self):
        """What the body says, bencoded or in JSON."""
        if self.body[:1] in (b"{", b"["):
            return _bytes_of(json.loads(self.body))
        return read(self.body)

    def peers(self) -> list[tuple[str, int]]:
        """All peers, of both families, whatever the form."""
        said = self.value.get(b"peers", b"")
        if isinstance(said, list):
            found = [(peer[b"ip"].decode(), peer[b"port"]) for peer in said]
        else:
            found = compact_peers(said, 4)
        return found + compact_peers(self.value.get(b"peers6", b""), 16)


class UdpAnswer:
    """A datagram from the tracker."""

    HEADS = {0: "!IIQ", 1: "!IIIII", 2: "!II", 3: "!II"}
    NAMES = {
        0: ("action", "transaction", "connection_id"),
        1: ("action", "transaction", "interval", "leechers", "seeders"),
        2: ("action", "transaction"),
        3: ("action", "transaction")}

    def __init__(self, raw: bytes, family: int):
        self.raw = raw
        self.address_size = 4 if family == socket.AF_INET else 16
        self.action = int.from_bytes(raw[:4], "big")

    def fields(self) -> dict[str, int]:
        """The numbers before the list that every kind ends with."""
        layout = self.HEADS.get(self.action, "!II")
        names = self.NAMES.get(self.action, ("action", "transaction"))
        if len(self.raw) < struct.calcsize(layout):
            raise NoAnswer(f"only {len(self.raw)} bytes", self.raw)
        return dict(zip(names, struct.unpack_from(layout, self.raw)))

    @property
    def rest(self) -> bytes:
        return self.raw[struct.calcsize(self.HEADS.get(self.action, "!II")):]

    def peers(self) -> list[tuple[str, int]]:
        return compact_peers(self.rest, self.address_size)

    def counts(self) -> list[dict[bytes, int]]:
        """The counts of a scrape, by the names they have over HTTP."""
        names = (b"complete", b"downloaded", b"incomplete")
        return [dict(zip(names, row)) for row in struct.iter_unpack("!III", self.rest)]


def compact_peers(data: bytes, address_size: int) -> list[tuple[str, int]]:
    """Peers out of 6 (BEP 23) or 18 bytes each (BEP 7)."""
    size = address_size + 2
    if len(data) % size:
        raise NoAnswer(f"{len(data)} bytes of peers are no multiple of {size}", data)
    rows = (data[at:at + size] for at in range(0, len(data), size))
    return [(str(ipaddress.ip_address(row[:-2])), int.from_bytes(row[-2:], "big")) for row in rows]


class Connection:
    """A TCP connection to the tracker."""

    def __init__(self, source: str, to: tuple[str, int]):
        self.socket = socket.create_connection(to, PATIENCE_SECS, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = False
        # What was sent last.
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent = data
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # What it said before that is there to be read.

    def answer(self) -> HttpAnswer:
        """The next response."""
        while b"\r\n\r\n" not in self.buffer:
            self._more("before the head of an answer was complete")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        answer = HttpAnswer(head + b"\r\n", b"", head + b"\r\n\r\n")
        answer.body, raw = self._body(answer)
        answer.raw += raw
        if answer.header("Content-Encoding") == b"gzip":
            answer.body = zlib.decompress(answer.body, 16 + zlib.MAX_WBITS)
        return answer

    def end(self) -> None:
        """Says that nothing more follows."""
        self.socket.shutdown(socket.SHUT_WR)

    def expect_end(self) -> None:
        """Waits until the tracker closes, without another byte."""
        while not self.ended:
            self._more("")
        if self.buffer:
            raise NoAnswer("bytes before the end", self.buffer)

    def expect_silence(self) -> None:
        """Waits a moment in which nothing comes and the connection stays."""
        self.socket.settimeout(SILENCE_SECS)
        try:
            self.buffer += self.socket.recv(65536) or b"the end"
        except socket.timeout:
            pass
        finally:
            self.socket.settimeout(PATIENCE_SECS)
        if self.buffer:
            raise NoAnswer("something came", self.buffer)

    def close(self) -> None:
        self.socket.close()

    def _body(self, answer: HttpAnswer) -> tuple[bytes, bytes]:
        """The body, and as it came."""
        length = answer.header("Content-Length")
        if answer.header("Transfer-Encoding") == b"chunked":
            return self._chunks()
        if length is not None:
            body = self._take(int(length), f"within a body of {length.decode()} bytes")
            return body, body
        while not self.ended:
            self._more("")
        body, self.buffer = self.buffer, b""
        return body, body

    def _chunks(self) -> tuple[bytes, bytes]:
        body = raw = b""
        size = -1
        while size != 0:
            while b"\r\n" not in self.buffer:
                self._more("before a chunk")
            line = self.buffer[:self.buffer.index(b"\r\n")]
            size = int(line.split(b";")[0], 16)
            chunk = self._take(len(line) + 2 + size + 2, f"within a chunk of {size} bytes")
            body, raw = body + chunk[len(line) + 2:-2], raw + chunk
        return body, raw

    def _take(self, size: int, where: str) -> bytes:
        while len(self.buffer) < size:
            self._more(where)
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def _more(self, where: str) -> None:
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            raise NoAnswer(f"nothing more within {PATIENCE_SECS:.0f} s", self.buffer) from None
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        if self.ended and where:
            raise NoAnswer(f"the connection was closed {where}", self.buffer)


class Datagrams:
    """A UDP socket that talks to the tracker's address and hears nobody else."""

    def __init__(self, source: str, to: tuple[str, int]):
        self.family = socket.AF_INET6 if ":" in source else socket.AF_INET
        self.socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self.socket.settimeout(PATIENCE_SECS)
        self.socket.bind((source, 0))
        self.socket.connect(to)
        self.connection_id = 0

    def connect(self) -> None:
        """Asks for a connection id."""
        self.send(struct.pack("!QII", MAGIC, 0, 1))
        self.answer()

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def answer(self) -> UdpAnswer:
        try:
            answer = UdpAnswer(self.socket.recv(65536), self.family)
        except socket.timeout:
            raise NoAnswer(f"no datagram within {PATIENCE_SECS:.0f} s") from None
        except ConnectionRefusedError:
            raise NoAnswer("nobody listens there") from None
        # Of an answer that is cut short no field can be told.
        if answer.action == 0 and len(answer.raw) >= 16:
            self.connection_id = answer.fields()["connection_id"]
        return answer

    def expect_silence(self, after: bytes | None) -> None:
        """Waits for the answer to a question that is asked after those bytes, and of the same
        worker: by then they would have been answered. Without bytes waits a moment."""
        if after is None:
            return self._expect_nothing(SILENCE_SECS)
        transaction = after[12:16] if 16 <= len(after) < STEERED_BY_HASH else b"none"
        padding = after[16:STEERED_BY_HASH] if len(after) >= STEERED_BY_HASH else b""
        self.send(struct.pack("!QI", MAGIC, 0) + transaction + padding)
        answer = self.answer()
        if answer.raw[:8] != b"\0\0\0\0" + transaction or len(answer.raw) != 16:
            raise NoAnswer("a datagram came", answer.raw)
        # The two may look alike.
        return self._expect_nothing(STRAGGLER_SECS)

    def _expect_nothing(self, secs: float) -> None:
        self.socket.settimeout(secs)
        try:
            raise NoAnswer("a datagram came", self.socket.recv(65536))
        except socket.timeout:
            pass
        finally:
            self.socket.settimeout(PATIENCE_SECS)

    def close(self) -> None:
        self.socket.close()


def _bytes_of(value):
    """Texts of JSON as bytes, so that they compare like bencoded ones."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [_bytes_of(item) for item in value]
    if isinstance(value, dict):
        return {key.encode(): _bytes_of(item) for key, item in value.items()}
    return value
