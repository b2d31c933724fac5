"""The load: BEP 15 from our own generator, HTTP from wrk."""

import contextlib
import functools
import itertools
import json
import os
import re
import socket
import subprocess
import time
import urllib.parse

import contenders

# Swarms of the comparisons over HTTP: more than the 50 peers of a reply, and all at one address.
HTTP_TORRENTS, HTTP_EACH = 1000, 64
# Where each run of wrk begins in its list, so that none repeats the one before.
turns = itertools.count(1, 7919)

SECS_MAX = 700


@functools.cache
def hashes_of_http():
    """The file of the info-hashes of the comparisons over HTTP."""
    path = contenders.scratch() / "http-hashes"
    contenders.write_hashes(path, HTTP_TORRENTS)
    return path


def run_load(command, cores):
    """Runs a load generator; the last line it prints, which is JSON."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=SECS_MAX,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores or contenders.LOAD_CORES),
    )
    if done.returncode:
        raise contenders.Unavailable(f"{command[0]}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def population(torrents, peers, shape="even"):
    """The options for a population."""
    return ["--torrents", torrents, "--peers", peers, "--shape", shape]


def fill(server, who, *more):
    """Stores a population."""
    contenders.say(f"  filling {server.name}")
    result = run_load([contenders.LOAD, "fill", server.address, *who, *more], None)
    if result["errors"]:
        raise contenders.Unavailable(f"{server.name} refuses announces: {result['error']}")
    return result


def announce(server, who, secs, cores=None):
    """One round over UDP."""
    command = [contenders.LOAD, "announce", server.address, *who, "--secs", secs]
    return measured(server, lambda: run_load(command, cores))


def wrk(server, close_each, secs, connections=64):
    """One round over HTTP."""
    script = ["-s", contenders.HERE / "http.lua", f"http://{server.address}/announce", "--"]
    script += [hashes_of_http(), HTTP_EACH, "close" if close_each else "keep-alive"]
    script.append(next(turns))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{secs}s", *script]
    return measured(server, lambda: run_load(command, None))


def measured(server, load):
    """A round of load, with what it cost the server."""
    before, rested, begin = server.cpu_secs(), server.rest_secs(), time.monotonic()
    result = load()
    cpu_secs = server.cpu_secs() - before
    secs = time.monotonic() - begin
    if not result["replies"]:
        raise contenders.Unavailable(f"{server.name} does not reply: {result.get('error', '')}")
    result["cpu_us"] = cpu_secs / result["replies"] * 1e6
    result["rest"] = (server.rest_secs() - rested) / secs
    alone = server.cores.isdisjoint(contenders.LOAD_CORES)
    result["others"] = 1 - cpu_secs / secs - result["rest"] if alone else 0
    result["per_sec"] = result["replies"] / result["secs"]
    result["rss"] = server.rss_bytes()
    return result


def warm_up(server, close_each):
    """Stores the peers; whether replies are full then."""
    contenders.say(f"  filling {server.name}")
    for _ in range(20):
        try:
            wrk(server, close_each, 2)
        except contenders.Unavailable as reason:
            contenders.say(f"  {reason}")
            return False
        if probe(server, close_each)[0] >= 50:
            return True
    return False


def probe(server, close_each):
    """Peers per reply and length of a reply, in the mean of some torrents."""
    hashes = hashes_of_http().read_text(encoding="ascii").split()[:: HTTP_TORRENTS // 20]
    peers, length = 0, 0
    for info_hash in hashes:
        query = f"info_hash={urllib.parse.quote(bytes.fromhex(info_hash))}"
        query += "&peer_id=-BN0001-000000000001&port=1025&uploaded=0&downloaded=0"
        query += "&left=1048576&numwant=50&compact=1"
        connection = "Connection: close\r\n" if close_each else ""
        reply = ask(server, f"GET /announce?{query} HTTP/1.1\r\nHost: x\r\n{connection}\r\n")
        found = re.search(rb"5:peers(\d+):", reply)
        peers += int(found[1]) // 6 if found else 0
        length += len(reply)
    return peers / len(hashes), length // len(hashes)


def ask(server, request):
    """The answer to one HTTP request."""
    reply = b""
    with contextlib.suppress(OSError), socket.create_connection((server.host, server.port), 5) as s:
        s.sendall(request.encode())
        while True:
            piece = s.recv(65_536)
            reply += piece
            head = re.search(rb"(?is)content-length: *(\d+).*?\r\n\r\n", reply)
            if not piece or (head and len(reply) >= head.end() + int(head[1])):
                break
    return reply
