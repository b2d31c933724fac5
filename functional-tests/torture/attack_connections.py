"""Connections that are held, abandoned or made in masses."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

import half_open
import messages
from scene import HOST, PATIENCE_SECS, Scene, answers_http, closed_within, eventually, for_a_while

# The kernel's part aside, what an idle connection may cost, with room for tables that double.
KB_EACH = 4
SERVES_AGAIN_SECS_MAX = 5.0
SLOW_BYTE_SECS = 0.1
FILES_MAX = 64
SAMPLES = 20


def slow_senders(scene: Scene) -> None:
    """Requests that come a byte at a time are given up, and cost nobody anything."""
    count = scene.size(100, 400)
    request_secs = scene.size(2, 10)
    # opentracker has no such setting; a minute is what it takes at most.
    closed_secs = request_secs + 5 if scene.is_trackerd else 60
    with scene.serving(f"http.request_secs_max {request_secs}") as _, scene.probe() as probe:
        streams = [scene.stream() for _ in range(count)]
        request = messages.get(messages.target(messages.torrent(0)))
        spent, began, turn = scene.cpu_secs(), time.monotonic(), 0
        sending = list(streams)
        while sending and time.monotonic() < began + closed_secs:
            for stream in list(sending):
                try:
                    stream.send(request[turn % 40:turn % 40 + 1])
                except OSError:
                    sending.remove(stream)
            turn += 1
            time.sleep(SLOW_BYTE_SECS)
            if turn == 5:
                scene.modest(1024 + count * KB_EACH)
        took = time.monotonic() - began
        scene.findings.at_most("slow senders left", 0, len(sending))
        scene.findings.at_most("until all are given up", closed_secs, took, " s")
        scene.findings.at_most("CPU", 50, 100 * (scene.cpu_secs() - spent) / took, " %")
        close(streams)
    scene.unharmed(probe)


def slow_readers(scene: Scene) -> None:
    """Full scrapes asked for by those who read a byte now and then, or nothing."""
    torrents, count = scene.size(5000, 50_000), scene.size(30, 200)
    with scene.serving() as _:
        with scene.udp() as udp:
            good = udp.connection_id()
            udp.answers([messages.announce(good, n, info_hash=messages.torrent(n))
                         for n in range(torrents)])
        scene.start_of_growth()
        with scene.probe() as probe:
            streams = [scene.stream(receive_buffer=4096) for _ in range(count)]
            for number, stream in enumerate(streams):
                stream.sendall(messages.get("/scrape" if number % 2 else "/stats?mode=tpbs"))
                stream.setblocking(False)
            spent, began = scene.cpu_secs(), time.monotonic()
            while time.monotonic() < began + scene.size(3, 20):
                for stream in streams[::2]:
                    with contextlib.suppress(OSError):
                        stream.recv(1)
                time.sleep(SLOW_BYTE_SECS)
            took = time.monotonic() - began
            scene.findings.at_most("CPU", 50, 100 * (scene.cpu_secs() - spent) / took, " %")
            # At most two lists at a time are written for each worker, in pieces.
            scene.modest(1024 + int(scene.findings.workers) * 2 * 2048 + count * KB_EACH)
            close(streams)
        scene.unharmed(probe)


def abandoned_connections(scene: Scene) -> None:
    """Silent ones, ones that end in the midst, half-closed ones and ones that are reset."""
    count = scene.size(400, 4000) // 4 * 4
    with scene.serving("http.idle_secs_max 2", "http.request_secs_max 2") as _:
        files = scene.open_files()
        with scene.probe() as probe:
            streams = [scene.stream() for _ in range(count)]
            scene.modest(1024 + count * KB_EACH)
            for stream in streams[1::4]:
                stream.sendall(b"GET /ann")
            for stream in streams[2::4]:
                stream.sendall(b"GET /ann")
                stream.shutdown(socket.SHUT_WR)
            for stream in streams[3::4]:
                reset(stream)
                stream.close()
            open_streams = [stream for stream in streams if stream.fileno() >= 0]
            patience = 15 if scene.is_trackerd else 90
            closed, secs = closed_within(open_streams, patience)
            scene.findings.exactly("given up, of those still open", len(open_streams), closed)
            scene.findings.at_most("until all are given up", patience, secs, " s")
            close(open_streams)
        scene.findings.exactly(
            "all files closed", True, eventually(
                lambda: scene.open_files() <= files, PATIENCE_SECS))
        scene.unharmed(probe)


def half_open_connections(scene: Scene) -> None:
    """Handshakes that are never finished."""
    count = scene.size(10_000, 200_000)
    half_open.prepare()
    with scene.serving() as _:
        files = scene.open_files()
        with scene.probe() as probe, half_open.socket_for_any_address() as raw:
            for _ in for_a_while():
                for number in range(count):
                    raw.sendto(half_open.opening(number, HOST, scene.port), (HOST, 0))
            waiting = half_open.waiting(scene.port)
            scene.findings.at_least("half-open at the end", 1, waiting)
            scene.modest()
            scene.findings.at_most("files", files + 2, scene.open_files())
        scene.unharmed(probe)


def connection_flood(scene: Scene) -> None:
    """Up to the limit, and far beyond it: those inside and UDP go on."""
    limit, count = 100, scene.size(400, 4000)
    with scene.serving(f"http.connections_max {limit}") as _:
        files = scene.open_files()
        # The probe has its connection before the others come.
        with scene.probe("udp,kept") as probe:
            streams = []
            for _ in range(count):
                with contextlib.suppress(OSError):
                    streams.append(scene.stream())
            scene.findings.at_most("CPU", 50, scene.cpu_share(1), " %")
            # At any moment each worker may have one more in hand, to turn it away.
            held = min(scene.open_files() - files for _ in pauses(SAMPLES))
            scene.findings.at_most("connections held", limit, held)
            scene.modest(1024 + count * KB_EACH)
            close(streams)
            serves_again(scene)
        scene.unharmed(probe)


def pauses(count: int):
    for _ in range(count):
        yield
        time.sleep(SLOW_BYTE_SECS / 2)


def short_connections(scene: Scene) -> None:
    """Connections that are closed as soon as they are there."""
    count = scene.size(2000, 20_000)
    with scene.serving() as _:
        files = scene.open_files()
        with scene.probe() as probe:
            for _ in for_a_while():
                for number in range(count):
                    with scene.stream() as stream:
                        if number % 2:
                            reset(stream)
            scene.modest()
        scene.findings.exactly(
            "all files closed", True, eventually(
                lambda: scene.open_files() <= files, PATIENCE_SECS))
        scene.unharmed(probe)


def descriptor_exhaustion(scene: Scene) -> None:
    """No file left to accept with."""
    through = ["prlimit", f"--nofile={FILES_MAX}:{FILES_MAX}"]
    with scene.serving(through=through) as _:
        with scene.probe("udp") as probe:
            streams = [scene.stream() for _ in range(200)]
            time.sleep(0.5)
            scene.findings.at_most("CPU", 50, scene.cpu_share(scene.size(2, 10)), " %")
            scene.modest()
            close(streams)
            serves_again(scene)
        scene.unharmed(probe)


def serves_again(scene: Scene) -> None:
    began = time.monotonic()
    eventually(lambda: answers_http(scene.port), 6 * SERVES_AGAIN_SECS_MAX)
    scene.findings.at_most(
        "until HTTP is served again", SERVES_AGAIN_SECS_MAX, time.monotonic() - began, " s")


def reset(stream: socket.socket) -> None:
    """Its end will be a reset instead of a farewell."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(streams: list[socket.socket]) -> None:
    for stream in streams:
        stream.close()
