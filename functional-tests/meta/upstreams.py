"""Trackers that others are asked for: right ones, and ones with a defect each.

They count what they receive. Each has its own behaviour, its own port and threads, which end when
it is closed.
"""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import bencode

PROTOCOL_ID = 0x41727101980
CONNECTION_ID = 0x1122334455667788
CONNECT, ANNOUNCE, SCRAPE, ERROR = range(4)
EVENTS = ["", "completed", "started", "stopped", "paused"]
TEXTS = "peer_id", "info_hash"
STALL_SECS = 20.0


@dataclass
class Seen:
    """One request: `connect`, `announce`, `scrape`, `list` or `else`."""

    kind: str
    info_hash: bytes = b""
    event: str = ""
    said: dict = field(default_factory=dict)
    at: float = field(default_factory=time.monotonic)


class Upstream:
    """What all have in common: what they know, and what they were asked."""

    def __init__(self, behaviour: str, peers: list[tuple[str, int]] | None = None):
        self.behaviour = behaviour
        self.peers = peers or []
        self.peers6: list[tuple[str, int]] = []
        self.seeders, self.leechers, self.completed = 3, 2, 7
        self.interval, self.min_interval = 1800, 900
        self.host = ""
        self.port = 0
        self._seen: list[Seen] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def see(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)

    def seen(self, kind: str = "", info_hash: bytes = b"") -> list[Seen]:
        """What was asked so far, of that kind and torrent if told."""
        with self._lock:
            return [seen for seen in self._seen
                    if kind in ("", seen.kind) and info_hash in (b"", seen.info_hash)]

    def events(self, info_hash: bytes) -> list[str]:
        return [seen.event for seen in self.seen("announce", info_hash)]

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()

    def stall(self) -> None:
        self._ending.wait(STALL_SECS)

    @property
    def place(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, if it has not ended yet."""
        raise NotImplementedError


def compact(peers: list[tuple[str, int]]) -> bytes:
    """Peers of either family, 6 or 18 bytes each."""
    return b"".join(
        socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)
        + struct.pack("!H", port) for ip, port in peers)


class UdpUpstream(Upstream):
    """BEP 15. Behaviours: `good`, `empty` (no peers), `silent`, `eight` (a reply of 8 bytes),
    `wrong transaction`, `error`, `deaf` (connects, then is silent), `forgetful` (refuses the first
    connection id), `lossy` (loses every first datagram), `cut` (half a peer at the end), `junk`."""

    def __init__(self, behaviour: str, host: str, peers=None, port: int = 0):
        super().__init__(behaviour, peers)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._socket.bind((host, port))
        self.host, self.port = self._socket.getsockname()[:2]
        self._lost = set()
        self._refused = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"udp://{self.place}/announce"

    def close(self) -> None:
        if self._ending.is_set():
            return
        self._ending.set()
        # A datagram of nothing wakes the thread.
        with socket.socket(self._socket.family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (self.host, self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                datagram, sender = self._socket.recvfrom(4096)
            except OSError:
                continue
            if self._ending.is_set():
                return
            for answer in self._answers(datagram):
                self._socket.sendto(answer, sender)

    def _answers(self, datagram: bytes) -> list[bytes]:
        if len(datagram) < 16:
            self.see(Seen("else"))
            return []
        connection_id, action, transaction = struct.unpack_from("!QII", datagram)
        if action == CONNECT:
            self.see(Seen("connect" if connection_id == PROTOCOL_ID else "else"))
            body = struct.pack("!Q", CONNECTION_ID)
        elif action == ANNOUNCE and len(datagram) >= 98:
            self.see(_udp_announce(datagram))
            body = self._announced()
        elif action == SCRAPE and len(datagram) > 16:
            hashes = [datagram[at:at + 20] for at in range(16, len(datagram) - 19, 20)]
            for info_hash in hashes:
                self.see(Seen("scrape", info_hash))
            counts = struct.pack("!III", self.seeders, self.completed, self.leechers)
            body = counts * len(hashes)
        else:
            self.see(Seen("else"))
            return []
        if action != CONNECT and connection_id != CONNECTION_ID:
            return [struct.pack("!II", ERROR, transaction) + b"Connection ID missmatch.\0"]
        return self._spoilt(action, transaction, body)

    def _announced(self) -> bytes:
        peers = [] if self.behaviour == "empty" else self.peers
        data = compact(peers) + (b"\x01\x02\x03" if self.behaviour == "cut" else b"")
        return struct.pack("!III", self.interval, self.leechers, self.seeders) + data

    def _spoilt(self, action: int, transaction: int, body: bytes) -> list[bytes]:
        whole = struct.pack("!II", action, transaction) + body
        match self.behaviour:
            case "silent":
                return []
            case "deaf" if action != CONNECT:
                return []
            case "eight" if action == ANNOUNCE:
                return [whole[:8]]
            case "wrong transaction":
                return [struct.pack("!II", action, transaction ^ 1) + body]
            case "error" if action == ANNOUNCE:
                return [struct.pack("!II", ERROR, transaction) + b"not registered\0"]
            case "junk":
                return [b"\xff" * 1400, b"", b"x"]
            case "forgetful" if action != CONNECT and not self._refused:
                self._refused = True
                return [struct.pack("!II", ERROR, transaction) + b"Connection ID missmatch.\0"]
            case "lossy" if action not in self._lost:
                self._lost.add(action)
                return []
        return [whole]


def _udp_announce(datagram: bytes) -> Seen:
    info_hash, peer_id, downloaded, left, uploaded, event, ip, key, numwant, port = (
        struct.unpack_from("!20s20sQQQIIIiH", datagram, 16))
    said = {
        "peer_id": peer_id, "downloaded": downloaded, "left": left, "uploaded": uploaded,
        "ip": ip, "key": key, "numwant": numwant, "port": port, "tail": datagram[98:]}
    return Seen("announce", info_hash, EVENTS[event] if event < len(EVENTS) else "?", said)


class HttpUpstream(Upstream):
    """BEP 3 and 48, and lists of trackers. The behaviours are those of `_ANSWERS`."""

    def __init__(
        self, behaviour: str, host: str, peers=None, certificate: Certificate | None = None,
        target: str = "", lines: list[str] | None = None, port: int = 0,
    ):
        super().__init__(behaviour, peers)
        # Where it sends whom it redirects, and its list.
        self.target = target
        self.lines = lines or []
        server = _Server if ":" not in host else _Server6
        self._server = server((host, port), _Handler)
        self._server.upstream = self
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.scheme = "https" if certificate else "http"
        self.host, self.port = self._server.server_address[:2]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.place}/announce"

    @property
    def list_url(self) -> str:
        return f"{self.scheme}://{self.place}/list"

    def close(self) -> None:
        if self._ending.is_set():
            return
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def dictionary(self) -> dict:
        """A right answer to an announce."""
        said = {
            "complete": self.seeders, "incomplete": self.leechers, "downloaded": self.completed,
            "interval": self.interval, "min interval": self.min_interval,
            "peers": compact(self.peers)}
        if self.peers6:
            said["peers6"] = compact(self.peers6)
        return said


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    upstream: HttpUpstream

    def handle_error(self, request, client_address) -> None:
        """Those who hang up early are no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = STALL_SECS

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        upstream = self.server.upstream
        parts = urlsplit(self.path)
        said = _query(parts.query)
        said["agent"] = self.headers.get("User-Agent", "")
        said["cookie"] = self.headers.get("Cookie", "")
        said["authorization"] = self.headers.get("Authorization", "")
        said["host"] = self.headers.get("Host", "")
        self.close_connection = True
        info_hash = said.get("info_hash", b"")
        if parts.path.endswith("/announce"):
            upstream.see(Seen("announce", info_hash, said.get("event", ""), said))
            _ANSWERS[upstream.behaviour](self, upstream)
        elif parts.path.endswith("/scrape"):
            upstream.see(Seen("scrape", info_hash, "", said))
            if upstream.behaviour == "stall":
                upstream.stall()
            counts = {"complete": upstream.seeders, "incomplete": upstream.leechers,
                      "downloaded": upstream.completed}
            self.give(_files(said["info_hashes"], counts))
        elif parts.path == "/list":
            upstream.see(Seen("list", said=said))
            self.give("".join(f"{line}\n\n" for line in upstream.lines).encode())
        else:
            upstream.see(Seen("else", said=said))
            self.give(b"nothing here", 404)

    def give(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def head(self, **headers: str) -> None:
        """A head without the length of what follows."""
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()


def _query(text: str) -> dict:
    said = {"query": text, "info_hashes": []}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        data = unquote_to_bytes(value)
        if name == "info_hash":
            said["info_hashes"].append(data)
        said[name] = data if name in TEXTS else data.decode("latin-1")
    return said


def _files(hashes: list[bytes], counts: dict) -> bytes:
    """Keys are bytes here, which `bencode.encode` sorts as well."""
    return bencode.encode({b"files": {info_hash: counts for info_hash in hashes}})


def _give(change):
    """A behaviour whose answer is the right one, changed."""
    def answer(handler: _Handler, upstream: HttpUpstream) -> None:
        said = upstream.dictionary()
        handler.give(bencode.encode(change(said, upstream) or said))
    return answer


def _without(*names: str):
    def change(said: dict, _upstream) -> None:
        for name in names:
            said.pop(name, None)
    return _give(change)


def _dictionaries(said: dict, upstream: HttpUpstream) -> None:
    said["peers"] = [
        {"ip": ip, "port": port, "peer id": "-XX0000-0123456789ab"} for ip, port in upstream.peers]


def _chunked(handler: _Handler, upstream: HttpUpstream) -> None:
    handler.head(Transfer_Encoding="chunked")
    body = bencode.encode(upstream.dictionary())
    for at in range(0, len(body), 7):
        part = body[at:at + 7]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


def _endless_chunks(handler: _Handler, upstream: HttpUpstream) -> None:
    handler.head(Transfer_Encoding="chunked")
    while not upstream.ending:
        handler.wfile.write(b"4000\r\n" + bytes(0x4000) + b"\r\n")


def _dripping(handler: _Handler, upstream: HttpUpstream) -> None:
    handler.head()
    began = time.monotonic()
    while not upstream.ending and time.monotonic() < began + STALL_SECS:
        handler.wfile.write(b"d")
        time.sleep(0.2)


def _endless_head(handler: _Handler, upstream: HttpUpstream) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not upstream.ending:
        handler.wfile.write(b"X-More: " + bytes([120]) * 1000 + b"\r\n")


def _redirecting(handler: _Handler, upstream: HttpUpstream) -> None:
    handler.give(b"", 302, Location=f"{upstream.target}?{urlsplit(handler.path).query}")


def _circling(handler: _Handler, upstream: HttpUpstream) -> None:
    handler.give(b"", 302, Location=handler.path)


def _bombing(handler: _Handler, _upstream) -> None:
    handler.give(gzip.compress(bytes(10 << 20)), Content_Encoding="gzip")


# By their names, all ways to answer an announce.
_ANSWERS = {
    "good": _give(lambda said, upstream: None),
    "dictionaries": _give(_dictionaries),
    "no min interval": _without("min interval"),
    "no counts": _without("complete", "incomplete", "downloaded"),
    "only interval": _without("complete", "incomplete", "downloaded", "min interval", "peers"),
    "no interval": _without("interval", "min interval"),
    "empty": _give(lambda said, _: said.update(peers="")),
    "empty list": _give(lambda said, _: said.update(peers=[])),
    "huge interval": _give(lambda said, _: said.update({"interval": 1 << 40})),
    "negative": _give(lambda said, _: said.update({"interval": -5, "complete": -1})),
    "failure": _give(lambda *_: {"failure reason": "not registered"}),
    "failure 403": lambda handler, _: handler.give(
        bencode.encode({"failure reason": "not registered"}), 403),
    "retry in": _give(lambda *_: {"failure reason": "busy", "retry in": "never"}),
    "half a peer": _give(lambda said, _: said.update(peers=said["peers"] + b"\x01\x02\x03")),
    "cut": lambda handler, upstream: handler.give(bencode.encode(upstream.dictionary())[:-9]),
    "deep": lambda handler, _: handler.give(b"l" * 30000 + b"e" * 30000),
    "not bencode": lambda handler, _: handler.give(json.dumps({"peers": []}).encode()),
    "HTML": lambda handler, _: handler.give(b"<html>Parked</html>", Content_Type="text/html"),
    "HTML 404": lambda handler, _: handler.give(b"<html>Gone</html>", 404),
    "nothing": lambda handler, _: handler.give(b""),
    "hangs up": lambda handler, _: handler.connection.shutdown(socket.SHUT_RDWR),
    "stall": lambda handler, upstream: upstream.stall(),
    "dripping": _dripping,
    "10 MB": lambda handler, _: handler.give(bytes(10 << 20)),
    "bomb": _bombing,
    "endless chunks": _endless_chunks,
    "endless head": _endless_head,
    "chunked": _chunked,
    "gzip": lambda handler, upstream: handler.give(
        gzip.compress(bencode.encode(upstream.dictionary())), Content_Encoding="gzip"),
    "until the end": lambda handler, upstream: (
        handler.head(), handler.wfile.write(bencode.encode(upstream.dictionary()))),
    "cookie": lambda handler, upstream: handler.give(
        bencode.encode(upstream.dictionary()), Set_Cookie="a=b; Path=/"),
    "redirect": _redirecting,
    "circle": _circling,
}
HTTP_BEHAVIOURS = list(_ANSWERS)
# What comes of each, where it isn't the peers it has.
HTTP_DEFECTS = [
    "no interval", "huge interval", "negative", "half a peer", "failure", "failure 403",
    "retry in", "cut", "deep", "not bencode", "HTML", "HTML 404", "nothing", "hangs up", "stall",
    "dripping", "10 MB", "bomb", "endless chunks", "endless head", "circle"]
HTTP_PEERLESS = ["only interval", "empty", "empty list"]
UDP_BEHAVIOURS = [
    "good", "empty", "silent", "eight", "wrong transaction", "error", "deaf", "forgetful", "lossy",
    "cut", "junk"]
UDP_DEFECTS = ["silent", "eight", "wrong transaction", "error", "deaf", "junk"]


@dataclass
class Certificate:
    """For a server; who believes in the `authority` believes it."""

    authority: Path
    chain: Path
    key: Path


def certificate(directory: Path, host: str) -> Certificate:
    """An authority of our own, and what it says of an address."""
    names = [directory / name for name in ("ca.pem", "ca.key", "server.pem", "server.key")]
    authority, authority_key, chain, key = names
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _openssl("req", "-x509", *curve, "-subj", "/CN=bench", "-keyout", authority_key,
             "-out", authority)
    request, extensions = directory / "server.csr", directory / "server.ext"
    extensions.write_text(f"subjectAltName=IP:{host}\nbasicConstraints=critical,CA:false\n")
    _openssl("req", *curve[:-2], "-subj", "/CN=server", "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key,
             "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", chain)
    return Certificate(authority, chain, key)


def _openssl(*arguments) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
