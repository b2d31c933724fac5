#!/usr/bin/python3
"""HAProxy and nginx as scripts/edge has them: each torrent at one tracker, however written."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import stage  # before the others: it tells where they are
import network
from node import PORT, Node, until
from process import Process

EDGE = Path(__file__).resolve().parents[2] / "scripts" / "edge"
FRONT = network.address(1, 4)
TORRENTS = 60
# What a URL's query may hold as it is, by RFC 3986, and what browsers and clients leave alone.
PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
BOLD = PLAIN + b"!$'()*,:@;+"


def writings(info_hash: bytes) -> list[str]:
    """The same info-hash as different clients write it."""
    return [
        "".join(f"%{byte:02X}" for byte in info_hash),
        "".join(f"%{byte:02x}" for byte in info_hash),
        "".join(chr(b) if b in PLAIN else f"%{b:02X}" for b in info_hash),
        "".join(chr(b) if b in PLAIN else f"%{b:02x}" for b in info_hash),
        "".join(chr(b) if b in BOLD else f"%{b:02x}" for b in info_hash)]


def haproxy(directory: Path, nodes: list[Node]) -> Process:
    text = (EDGE / "haproxy.cfg").read_text().replace("bind 0.0.0.0:80", f"bind {FRONT}:80")
    return _front(directory, "haproxy.cfg", text, nodes, ["haproxy", "-f"])


def nginx(directory: Path, nodes: list[Node]) -> Process:
    text = (EDGE / "nginx.conf").read_text()
    text = text.replace("/etc/nginx", str(EDGE)).replace("listen 80", f"listen {FRONT}:80")
    text = text.replace("worker_processes auto", "worker_processes 2")
    modules = Path("/usr/lib/nginx/modules")
    text = text.replace("modules/ngx_http_js_module.so", str(modules / "ngx_http_js_module.so"))
    options = f"daemon off; pid {directory}/pid; error_log stderr;"
    return _front(
        directory, "nginx.conf", text, nodes,
        ["nginx", "-e", "stderr", "-p", str(directory), "-g", options, "-c"])


def _front(directory: Path, name: str, text: str, nodes: list[Node], argv: list[str]) -> Process:
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"10.0.0.{number}:6969", f"{node.address}:{PORT}")
    (directory / name).write_text(text)
    return Process([*argv, str(directory / name)], directory, directory / f"{name}.log")


FRONTS = [
    (haproxy, "haproxy", lambda: shutil.which("haproxy") is not None),
    (nginx, "nginx libnginx-mod-http-js",
     lambda: shutil.which("nginx") is not None
     and Path("/usr/lib/nginx/modules/ngx_http_js_module.so").exists())]


def play(front, directory: Path) -> str:
    directory.mkdir()
    settings = {"access.proxy": FRONT, "tracker.ip_from_query": "192.0.2.0/24"}
    nodes = [Node(directory / f"node{n}", "", settings).start() for n in range(3)]
    process = front(directory, nodes)
    try:
        until(lambda: _get("/stats?mode=version")[0] == 200, "it never served")
        info_hashes = [random.Random(n).randbytes(20) for n in range(TORRENTS)]
        # All bytes there are, the end of a C string and what URLs are made of among them.
        info_hashes += [bytes(range(at, at + 20)) for at in range(0, 240, 20)]
        for info_hash in info_hashes:
            for number, written in enumerate(writings(info_hash)):
                status, body = _get(
                    f"/announce?peer_id=-ED0001-abcdefghijkl&port={1000 + number}&left=1"
                    f"&uploaded=0&downloaded=0&compact=1&numwant=0&info_hash={written}")
                assert status == 200 and b"failure" not in body, (written, status, body)
        shares = [0, 0, 0]
        for info_hash in info_hashes:
            known = [node.scrape(info_hash).leechers for node in nodes]
            assert sorted(known) == [0, 0, 5], (info_hash, known)
            shares[known.index(5)] += 1
        assert min(shares) >= len(info_hashes) // 10, shares
        # The tracker sees the client behind it.
        assert b"192.0.2" not in nodes[0].get("/stats?mode=everything")
        return f"{len(info_hashes)} torrents in 5 writings each, {shares} at each tracker"
    finally:
        process.kill()
        for node in nodes:
            node.kill()
            node.host.remove()


def _get(target: str) -> tuple[int, bytes]:
    try:
        with socket.create_connection((FRONT, 80), timeout=5) as connection:
            request = f"GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]) if head else 0, body


def main() -> int:
    options = stage.arguments(__doc__).parse_args()
    directory = stage.enter("the tests of the edge", options)
    failed = 0
    for front, packages, installed in FRONTS:
        if not installed():
            print(f"SKIPPED  {front.__name__}: {packages} is missing")
            continue
        began = time.monotonic()
        try:
            said = play(front, directory / front.__name__)
            secs = time.monotonic() - began
            print(f"passed   {front.__name__}: {said} ({secs:.1f} s)", flush=True)
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED   {front.__name__}: {error}", flush=True)
            log = next((directory / front.__name__).glob("*.log"), None)
            print(log.read_text()[-2000:] if log else "", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
