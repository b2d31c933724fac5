"""Where a tracker is asked, and asking it by hand over plain, connected sockets."""

import http.client
import ipaddress
import secrets
import socket
import ssl
import struct
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote_from_bytes

import bencode
import network

ASKING_HOST = network.ROUTER_HOSTS[-1]
ANSWER_SECS_MAX = 2.0
EVENTS = {"": 0, "completed": 1, "started": 2, "stopped": 3}


class NoAnswer(Exception):
    """The tracker stayed silent, refused, or said something that makes no sense."""


class Counts(NamedTuple):
    """What a scrape tells of one torrent."""

    seeders: int
    leechers: int
    completed: int


@dataclass(frozen=True)
class Answer:
    """What an announce tells: counts of the swarm and peers as (address, port)."""

    seeders: int
    leechers: int
    peers: frozenset[tuple[str, int]]


@dataclass(frozen=True)
class Endpoint:
    """One way to reach a tracker: protocol (`http`, `https` or `udp`), literal address, port."""

    proto: str
    address: str
    port: int

    @property
    def family(self) -> int:
        return ipaddress.ip_address(self.address).version

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if self.family == 6 else self.address
        return f"{self.proto}://{host}:{self.port}/announce"

    def announce(self, info_hash: bytes, port: int, event: str) -> Answer:
        """Announces a leecher at `port` of the asking host, from a fresh socket."""
        return _asker(self).announce(info_hash, port, event)

    def scrape(self, info_hash: bytes) -> Counts:
        """Asks for the counts of one torrent, from a fresh socket."""
        return _asker(self).scrape(info_hash)


def compact_peers(data: bytes, address_size: int) -> frozenset[tuple[str, int]]:
    """Peers out of 6 (BEP 23) or 18 bytes each (BEP 7)."""
    size = address_size + 2
    if len(data) % size:
        raise NoAnswer(f"{len(data)} bytes of peers are no multiple of {size}")
    rows = (data[at:at + size] for at in range(0, len(data), size))
    return frozenset(
        (str(ipaddress.ip_address(row[:-2])), int.from_bytes(row[-2:], "big")) for row in rows)


def _asker(endpoint: Endpoint):
    return {"udp": _Udp, "http": _Http, "https": _Https}[endpoint.proto](endpoint)


class _Asker:
    """Sockets are bound to an address that is not the one asked: left alone, the kernel would
    take the same for both, and with it answers to which no tracker had given a thought."""

    def __init__(self, endpoint: Endpoint):
        self.endpoint = endpoint
        self.source = (network.address(ASKING_HOST, endpoint.family), 0)


class _Udp(_Asker):
    """BEP 15. The socket is connected: answers from any other address never reach it."""

    def announce(self, info_hash, port, event):
        body = struct.pack(
            "!20s20sQQQIIIiH", info_hash, _peer_id(), 0, 1, 0, EVENTS[event], 0, 1, -1, port)
        with self._socket() as sock:
            answer = _ask(sock, _connection_id(sock), 1, body)
        if len(answer) < 12:
            raise NoAnswer(f"a UDP announce answer of only {len(answer) + 8} bytes")
        _interval, leechers, seeders = struct.unpack_from("!III", answer)
        address_size = 16 if self.endpoint.family == 6 else 4
        return Answer(seeders, leechers, compact_peers(answer[12:], address_size))

    def scrape(self, info_hash):
        with self._socket() as sock:
            answer = _ask(sock, _connection_id(sock), 2, info_hash)
        if len(answer) != 12:
            raise NoAnswer(f"a UDP scrape answer of {len(answer) + 8} bytes, not 20")
        seeders, completed, leechers = struct.unpack("!III", answer)
        return Counts(seeders, leechers, completed)

    def _socket(self):
        family = socket.AF_INET6 if self.endpoint.family == 6 else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.settimeout(ANSWER_SECS_MAX)
        sock.bind(self.source)
        sock.connect((self.endpoint.address, self.endpoint.port))
        return sock


def _connection_id(sock) -> bytes:
    answer = _ask(sock, bytes.fromhex("0000041727101980"), 0, b"")
    if len(answer) != 8:
        raise NoAnswer(f"a UDP connect answer of {len(answer) + 8} bytes, not 16")
    return answer


def _ask(sock, connection_id: bytes, action: int, body: bytes) -> bytes:
    transaction = secrets.token_bytes(4)
    try:
        sock.send(connection_id + struct.pack("!I", action) + transaction + body)
        answer = sock.recv(65536)
    except OSError as error:
        raise NoAnswer(f"UDP action {action}: {error or type(error).__name__}") from error
    if answer[:8] != struct.pack("!I", action) + transaction:
        raise NoAnswer(f"UDP action {action} was answered by {answer[:64]!r}")
    return answer[8:]


class _Http(_Asker):
    """BEP 3, 7, 23 and 48."""

    _connection = http.client.HTTPConnection

    def announce(self, info_hash, port, event):
        said = self._get(
            f"/announce?info_hash={quote_from_bytes(info_hash, safe='')}"
            f"&peer_id={quote_from_bytes(_peer_id(), safe='')}&port={port}"
            f"&uploaded=0&downloaded=0&left=1&compact=1&event={event}")
        peers = compact_peers(said.get(b"peers", b""), 4)
        peers |= compact_peers(said.get(b"peers6", b""), 16)
        return Answer(said.get(b"complete", 0), said.get(b"incomplete", 0), peers)

    def scrape(self, info_hash):
        said = self._get(f"/scrape?info_hash={quote_from_bytes(info_hash, safe='')}")
        counts = said.get(b"files", {}).get(info_hash, {})
        return Counts(*(counts.get(key, 0) for key in (b"complete", b"incomplete", b"downloaded")))

    def _get(self, target):
        connection = self._connection(
            self.endpoint.address, self.endpoint.port,
            timeout=ANSWER_SECS_MAX, source_address=self.source)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
            said = bencode.decode(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"HTTP: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != 200 or b"failure reason" in said:
            raise NoAnswer(f"HTTP {response.status}: {body[:200]!r}")
        return said


class _Https(_Http):
    """The same, whoever vouches for the certificate."""

    def _connection(self, *where, **how):
        return http.client.HTTPSConnection(
            *where, **how, context=ssl._create_unverified_context())


def _peer_id() -> bytes:
    return b"-FT0001-" + secrets.token_bytes(12)
