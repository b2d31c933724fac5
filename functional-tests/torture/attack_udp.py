"""Datagrams that nobody should send, and connection ids that nobody has been given."""

from __future__ import annotations

import os
import random
import socket
import struct
import time

import messages
from messages import ANNOUNCE, SCRAPE
from scene import HOST6, Scene, Udp, for_a_while, has_ipv6

LENGTHS = [*range(2001), 65507]


def transaction(answer: bytes) -> int:
    return struct.unpack_from(">I", answer, 4)[0] if len(answer) >= 8 else -1


def proves_nothing(scene: Scene, sent: list[bytes], answers: list[bytes], what: str) -> None:
    """No answer is longer than its request, and none has anything for an announce or scrape."""
    asked = {datagram[12:16]: datagram for datagram in sent if len(datagram) >= 16}
    larger = [f"{len(answer)} bytes for {len(asked.get(answer[4:8], b''))}" for answer in answers
              if len(answer) > len(asked.get(answer[4:8], b""))]
    served = [answer[:8].hex() for answer in answers
              if messages.action(answer) in (ANNOUNCE, SCRAPE)]
    scene.findings.none(f"{what}: replies larger than the request, of {len(sent):,}", larger)
    scene.findings.none(f"{what}: served", served)


def connection_ids(scene: Scene) -> None:
    """Only ids that this address was given, by this tracker, lately."""
    chance = random.Random(15)
    with scene.serving() as _, scene.udp() as udp, scene.udp("127.0.0.2") as other:
        good = udp.connection_id()
        wrong = [0, messages.PROTOCOL_ID, 1, (1 << 64) - 1, other.connection_id()]
        wrong += [good ^ 1 << bit for bit in range(64)]
        wrong += [good + 1, good - 1, int.from_bytes(good.to_bytes(8, "little"), "big")]
        wrong += [chance.getrandbits(64) for _ in range(scene.size(2000, 200_000))]
        hashes = [messages.torrent(0)] * 74
        sent = []
        for number, connection_id in enumerate(wrong):
            connection_id %= 1 << 64
            sent.append(messages.announce(connection_id, 2 * number, info_hash=hashes[0]))
            sent.append(messages.scrape(connection_id, 2 * number + 1, hashes[:1 + number % 74]))
        answers = []
        with scene.probe() as probe:
            for _ in for_a_while():
                answers += udp.answers(sent)
        proves_nothing(scene, sent, answers, "wrong ids")
        if scene.is_trackerd and has_ipv6():
            with scene.udp(HOST6) as other_family:
                proves_nothing(
                    scene, sent, other_family.answers(sent[:4000]), "wrong ids by IPv6")
                answer = other_family.ask(messages.announce(
                    good, 8, info_hash=hashes[0]), patience_secs=1.0)
                scene.findings.exactly(
                    "an id of IPv4's is served over IPv6", False,
                    messages.action(answer or b"") == ANNOUNCE)
        with scene.udp() as same_host:
            answer = same_host.ask(messages.announce(good, 7, info_hash=hashes[0]))
        scene.findings.exactly(
            "action answered to the right id from another port", ANNOUNCE,
            messages.action(answer or b""))
        scene.modest()
        scene.unharmed(probe)


def ragged_datagrams(scene: Scene) -> None:
    """Every length, as the beginning of each kind of request, and as nothing at all."""
    with scene.serving() as _, scene.udp() as udp, scene.probe() as probe:
        good = udp.connection_id()
        noise = random.Random(7).randbytes(65507)
        long = bytes(65507)
        unproven, proven = [], []
        for length in LENGTHS:
            number = length % 0x10000
            unproven += [
                long[:length], noise[:length], (messages.connect(number) + noise)[:length],
                (messages.announce(0, number | 1 << 20) + noise)[:length],
                (messages.scrape(0, number | 2 << 20, []) + noise)[:length]]
            announced = messages.announce(good, number | 3 << 20, info_hash=messages.torrent(0))
            proven += [
                (announced + noise)[:length], (announced + b"\x02\xff" * 40_000)[:length],
                (announced + b"\x01" * 65_000)[:length], (announced + long)[:length],
                (messages.scrape(good, number | 4 << 20, []) + noise)[:length],
                (messages.scrape(good, number | 5 << 20, [messages.torrent(0)] * 3000))[:length]]
        answers = udp.answers([d for d in unproven if len(d) >= 16 or scene.is_trackerd])
        proves_nothing(scene, unproven, answers, "unproven")
        longest = max(map(len, udp.answers(proven)))
        scene.findings.at_most(
            f"longest of the answers to {len(proven):,} proven ones", messages.DATAGRAM_LEN_MAX,
            longest, " bytes")
        scene.modest()
    scene.unharmed(probe)


def datagram_flood(scene: Scene) -> None:
    """Random datagrams as fast as they can be sent, a part with the beginnings of requests."""
    count = scene.size(60_000, 1_000_000)
    chance = random.Random(3)
    noise = os.urandom(1 << 20)
    heads = [b"", messages.connect(0)[:12], struct.pack(">QI", 0, ANNOUNCE),
             struct.pack(">QI", 0, SCRAPE), struct.pack(">QI", 0, 7)]
    # Their transactions tell, so answers can be compared with what was asked.
    datagrams = {}
    for number in range(2000):
        length, at = chance.randrange(1473), chance.randrange(1 << 19)
        datagram = (heads[number % len(heads)] + noise[at:at + 1472])[:length]
        datagrams[datagram[12:16]] = datagram
    sent = list(datagrams.values())
    with scene.serving() as _, Udp(scene.port, "127.0.0.3") as udp, scene.probe() as probe:
        udp.socket.setblocking(False)
        answers: list[bytes] = []
        turns = 0
        for turns, _ in enumerate(for_a_while(), 1):
            for number in range(count):
                try:
                    udp.socket.send(sent[number % len(sent)])
                except BlockingIOError:
                    time.sleep(0.001)
                if number % 16 == 0:
                    answers += received(udp.socket)
        proves_nothing(scene, sent, answers, f"{turns * count:,} datagrams")
        scene.modest()
    scene.unharmed(probe)


def received(udp: socket.socket) -> list[bytes]:
    """All that is there."""
    answers = []
    while True:
        try:
            answers.append(udp.recv(1 << 16))
        except OSError:
            return answers


def one_source_flood(scene: Scene) -> None:
    """One address asks without end, with a good id: it is curbed, and nobody else is."""
    granted = 50
    settings = [f"limit.{what}_per_sec {granted}"
                for what in ("announces", "connects", "scrapes")]
    settings += ["limit.burst_secs 1", "limit.exempt 127.0.0.9"]
    secs = scene.size(2, 20)
    with scene.serving(*settings) as _, scene.udp("127.0.0.4") as udp, scene.probe() as probe:
        good = udp.connection_id()
        udp.socket.setblocking(False)
        began, number, answers = time.monotonic(), 0, 0
        while time.monotonic() - began < secs:
            for _ in range(100):
                number += 1
                try:
                    udp.socket.send(
                        messages.announce(good, number, info_hash=messages.torrent(1)))
                except BlockingIOError:
                    time.sleep(0.001)
            answers += len(received(udp.socket))
        passed = time.monotonic() - began
        workers = int(scene.findings.workers)
        scene.findings.at_most(
            f"answers to {number:,} announces of one address", int(
                workers * granted * (passed + 2)), answers)
        scene.modest()
    scene.unharmed(probe)


def many_sources_flood(scene: Scene) -> None:
    """A datagram from each of many addresses: the table of sources does not grow."""
    count = scene.size(3000, 50_000)
    with scene.serving("limit.exempt 127.0.0.9", "limit.sources 1024") as _:
        with scene.probe() as probe:
            for _ in for_a_while():
                for number in range(count):
                    ask_once(scene.port, source(number))
        scene.modest()
        scene.unharmed(probe)


def source(number: int) -> str:
    """One of the addresses of this machine."""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def ask_once(port: int, address: str) -> None:
    """A datagram from there, whose answer nobody waits for."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind((address, 0))
        udp.sendto(messages.connect(), ("127.0.0.1", port))
