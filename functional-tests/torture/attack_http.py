"""HTTP that nobody should send."""

from __future__ import annotations

import contextlib
import re
import socket
import time

import messages
from attack_connections import close
from scene import Scene, eventually

ANSWER = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n(?:[!-9;-~]+:[^\r\n]*\r\n)*\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
REQUEST_SECS_MAX = 1
CLOSED_SECS_MAX = 10.0
ROUNDS = 3
ANNOUNCE = messages.target(messages.torrent(0))
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))
H2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
HIDDEN = b"GET /stats HTTP/1.1\r\nHost: hidden\r\n\r\n"


def bodied(headers: str, body: bytes = HIDDEN) -> bytes:
    return messages.get(ANNOUNCE, headers) + body


# Whatever sees the one length sees one request, whatever sees the other sees two.
SMUGGLING = {
    "both lengths": bodied(
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "both, the other way round": bodied(
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n" + HIDDEN),
    "two lengths": bodied(f"Content-Length: 0\r\nContent-Length: {len(HIDDEN)}\r\n"),
    "list of lengths": bodied(f"Content-Length: 0, {len(HIDDEN)}\r\n"),
    "signed length": bodied(f"Content-Length: +{len(HIDDEN)}\r\n"),
    "negative length": bodied("Content-Length: -1\r\n"),
    "hexadecimal length": bodied("Content-Length: 0x26\r\n"),
    "length past 64 bits": bodied(f"Content-Length: {2**64}\r\n"),
    "blank before the colon": bodied(f"Content-Length : {len(HIDDEN)}\r\n"),
    "folded length": bodied(f"Content-Length:\r\n {len(HIDDEN)}\r\n"),
    "xchunked": bodied("Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "chunked twice": bodied("Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "folded encoding": bodied("Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "encoding, vertical tab": bodied("Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + HIDDEN),
    "body of a GET": bodied(f"Content-Length: {len(HIDDEN)}\r\n"),
    "line feeds alone": b"GET / HTTP/1.1\nContent-Length: 38\n\n" + HIDDEN,
    "carriage return alone": b"GET / HTTP/1.1\r\nX: y\rContent-Length: 38\r\n\r\n" + HIDDEN}

MALFORMED = {
    "nothing": b"", "blank lines": b"\r\n" * 100, "one letter": b"G", "NULs": bytes(1000),
    "high bytes": b"\xff" * 1000, "TLS hello": TLS_HELLO, "HTTP/2 hello": H2_HELLO,
    "SSH hello": b"SSH-2.0-OpenSSH_9.2\r\n", "PROXY hello": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    "PROXY 2 hello": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
    "BEP 3 handshake": b"\x13BitTorrent protocol" + bytes(48),
    "line of a megabyte": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
    "header of a megabyte": b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n",
    "100 000 headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
    "method of a megabyte": b"A" * (1 << 20) + b" / HTTP/1.1\r\n\r\n",
    "headers without end": b"GET / HTTP/1.1\r\nHost: tracker\r\n",
    "NUL in the target": messages.get("/announce\0?port=1"),
    "NUL in a header": messages.get(ANNOUNCE, "X: a\0b\r\n"),
    "no version": b"GET /\r\n\r\n", "version 0.9": b"GET / HTTP/0.9\r\n\r\n",
    "version 9.9": b"GET / HTTP/9.9\r\n\r\n", "version 1.10000": b"GET / HTTP/1.10000\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\n\r\n", "two targets": b"GET / / HTTP/1.1\r\n\r\n",
    "small method": b"get / HTTP/1.1\r\n\r\n", "POST": b"POST /announce HTTP/1.1\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\n\r\n", "OPTIONS *": b"OPTIONS * HTTP/1.1\r\n\r\n",
    "format string": b"%s%n%s%n / HTTP/1.1\r\n\r\n",
    "expects": messages.get(ANNOUNCE, "Expect: 100-continue\r\nContent-Length: 5\r\n"),
    "upgrade": messages.get(ANNOUNCE, "Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    "ranges": messages.get("/stats", "Range: bytes=" + "0-," * 1000 + "\r\n"),
    "1000 forwarders": messages.get(ANNOUNCE, "X-Forwarded-For: " + "1.2.3.4, " * 1000 + "x\r\n"),
    "forwarder with zone": messages.get(ANNOUNCE, "X-Forwarded-For: fe80::1%eth0, [::1]:99999\r\n")}

TARGETS = [
    "http://tracker/announce?port=1", "http://tracker", "HTTP://[::1]:99999/stats", "ftp://a/b",
    "//etc/passwd", "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cetc",
    "/announce/../stats", "/%00", "/%", "/announce?info_hash=%", "/announce?info_hash=%4",
    "/announce?info_hash=%zz&port=1", "/announce?info_hash=" + "%" * 3000, "?", "/?", "*", "#",
    "/announce?" + "&" * 3000, "/announce?" + "=" * 3000, "/announce?" + "a=b&" * 3000,
    "/announce?info_hash", "/announce?info_hash=" + "%00" * 19, "/announce?port=1&" * 3,
    "/announce?info_hash=" + "%00" * 4000, "/scrape?info_hash=", "/scrape?" + "info_hash=&" * 500,
    "/scrape?" + "&".join("info_hash=" + "%41" * 20 for _ in range(1000)),
    "/scrape?" + "&".join("info_hash=" + "A" * 20 for _ in range(1000)),
    "/scrape?info_hash=" + "A" * 21, "/stats?mode=" + "x" * 3000, "/stats?mode=%00",
    "/stats?mode=top100&" * 100, "/" + "a/" * 3000, "/announce" + "/a" * 3000, "/\xff\xfe"]


def malformed_requests(scene: Scene) -> None:
    """Each on a connection of its own: answered or closed, in HTTP, and at no cost."""
    attacks = {**MALFORMED, **{name[:30]: messages.get(name) for name in TARGETS}, **SMUGGLING}
    with scene.serving(
            f"http.request_secs_max {REQUEST_SECS_MAX}",
            f"http.idle_secs_max {REQUEST_SECS_MAX}", "access.proxy 127.0.0.0/8") as _:
        answers = sent_apart(scene, attacks)
        scene.start_of_growth()
        with scene.probe() as probe:
            for _ in range(scene.size(1, ROUNDS)):
                answers = sent_apart(scene, attacks)
        scene.findings.none("neither answered nor closed in 10 s", [
            name for name, (is_closed, answer) in answers.items() if not is_closed and not answer])
        scene.findings.none("answers that are not HTTP", [
            f"{name}: {answer[:40]!r}" for name, (_, answer) in answers.items()
            if answer and not split(answer)])
        scene.findings.none("smuggled requests answered", [
            name for name in SMUGGLING if is_smuggled(answers[name][1])])
        scene.modest()
        scene.unharmed(probe)


def sent_apart(scene: Scene, attacks: dict[str, bytes]) -> dict[str, tuple[bool, bytes]]:
    """Whether each connection was closed in time, and what came back."""
    streams = {}
    for name, request in attacks.items():
        stream = streams[name] = scene.stream()
        with contextlib.suppress(OSError):
            stream.sendall(request)
    deadline = time.monotonic() + CLOSED_SECS_MAX
    answers = {}
    for name, stream in streams.items():
        answer, is_closed = b"", False
        with contextlib.suppress(OSError), stream:
            while not is_closed and not (split(answer) and name not in SMUGGLING):
                stream.settimeout(max(0.01, deadline - time.monotonic()))
                try:
                    more = stream.recv(1 << 16)
                except ConnectionResetError:
                    more = b""
                answer += more
                is_closed = not more
        answers[name] = (is_closed, answer)
    return answers


def split(answer: bytes) -> list[tuple[bytes, bytes]]:
    """Status and body of each answer; empty when it is not all HTTP, or not whole."""
    found = []
    while answer:
        head = ANSWER.match(answer)
        if not head:
            return []
        length = LENGTH.search(head[0])
        end = head.end() + (int(length[1]) if length else len(answer))
        if length and end > len(answer):
            return []
        found.append((head[1], answer[head.end():end]))
        answer = answer[end:]
    return found


def is_smuggled(answer: bytes) -> bool:
    """Whether a request inside another's body was taken for one: the page of statistics came."""
    return any(status == b"200" and b"opentracker serving" in body
               for status, body in split(answer)[1:])


def pipelined_unread(scene: Scene) -> None:
    """Thousands of requests on connections that nobody reads from."""
    connections, requests = scene.size(10, 50), 20_000
    kb_each = 64
    with scene.serving("http.request_secs_max 3") as _:
        files = scene.open_files()
        with scene.probe() as probe:
            streams = [scene.stream(receive_buffer=4096) for _ in range(connections)]
            data = messages.get(ANNOUNCE) * requests
            for stream in streams:
                stream.settimeout(0.1)
                with contextlib.suppress(OSError):
                    stream.sendall(data)
            # What fits into the system's buffers is answered first.
            scene.findings.at_most("CPU", 50, scene.least_cpu_share(0.5, 4), " %")
            scene.modest(1024 + connections * kb_each)
        if scene.is_trackerd:
            # Whoever has not taken an answer in time is given up, once the system's buffers are
            # full; on a busy machine it takes a while to answer as much as fits into them.
            secs_max = scene.size(15, 60)
            scene.findings.exactly(f"all given up within {secs_max} s", True, eventually(
                lambda: scene.open_files() <= files, secs_max))
        close(streams)
    scene.unharmed(probe)


def statistics_for_everybody(scene: Scene) -> None:
    """Hundreds who read the longest statistics at the same time, again and again."""
    readers = scene.size(300, 3000)
    pages = ["/metrics", "/stats?mode=json", "/stats.txt", "/stats?mode=everything"]
    with scene.serving() as _:
        scene.start_of_growth()
        with scene.probe("udp") as probe:
            streams = [scene.stream() for _ in range(readers)]
            for _ in range(scene.size(3, 20)):
                for number, stream in enumerate(streams):
                    stream.sendall(messages.get(pages[number % len(pages)]))
                answered = sum(len(whole(stream)) for stream in streams)
                scene.findings.exactly("readers answered", readers, answered)
            close(streams)
        scene.findings.at_most(
            "longest wait of others", scene.size(1000, 250), 1000 * probe.latencies[-1], " ms")
        scene.modest(1024 + readers * 4)
        scene.unharmed(probe)


def whole(stream: socket.socket) -> list[tuple[bytes, bytes]]:
    """The answers that have come, once the last of them is whole."""
    answer = b""
    while not (found := split(answer)):
        more = stream.recv(1 << 16)
        if not more:
            return []
        answer += more
    return found
