"""Torrents and peers in masses, or chosen so that they might meet in a table."""

from __future__ import annotations

import random
import socket
import struct
from pathlib import Path

import bencode
import control_group
import messages
from attack_connections import close
from scene import PATIENCE_SECS, Scene, eventually, for_a_while

NUMWANTS = [
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 0, 1, -1, 1000, 1001, 65535, 65536, (1 << 63) - 1,
    1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 31), -(1 << 63), "1e99", "%00", ""]
HTTP_BYTES_MAX = 64 << 10
# Whoever knows no secret cannot make requests cost more than a multiple of random ones.
RATIO_MAX = 3.0
PIPELINE = 50
CONNECTIONS = 20
ROUTER = Path(__file__).resolve().parents[2] / "scripts" / "openwrt" / "router-32m.conf"
# What the system grants, of which trackerd keeps to three quarters.
GRANTED_MB = {False: [16], True: [32, 20]}


def numwant_of_all(scene: Scene) -> None:
    """All the peers of a large swarm, please."""
    peers, repeated = 20_000, scene.size(20, 500)
    info_hash = messages.torrent(1)
    with scene.serving() as _, scene.udp() as udp:
        good = udp.connection_id()
        udp.answers([messages.announce(good, port, info_hash=info_hash, port=port, numwant=0)
                     for port in range(1, peers + 1)], window=100)
        counted = struct.unpack_from(
            ">I", udp.ask(messages.scrape(good, udp.serial(), [info_hash])), 16)[0]
        scene.findings.at_least("peers", int(peers * 0.95), counted)
        with scene.probe() as probe:
            answers, bodies = [], []
            for _ in for_a_while():
                answers += udp.answers([
                    messages.announce(good, n, info_hash=info_hash, numwant=numwant)
                    for n, numwant in enumerate(
                        [n for n in NUMWANTS if isinstance(n, int)] * repeated)])
                bodies += [scene.page(messages.target(info_hash, numwant=numwant))[1]
                           for numwant in NUMWANTS]
        scene.findings.at_most(
            f"longest of {len(answers):,} UDP answers", messages.DATAGRAM_LEN_MAX,
            max(map(len, answers)), " bytes")
        scene.findings.at_most(
            f"longest of {len(bodies):,} HTTP answers", HTTP_BYTES_MAX, max(map(len, bodies)),
            " bytes")
        scene.unharmed(probe)


def random_torrents(scene: Scene) -> None:
    """Info-hashes that nobody has: there is a limit, and established swarms survive it."""
    count, established = scene.size(40_000, 200_000), 50
    torrents_max = count // 10
    chance = random.Random(9)
    with scene.serving(f"tracker.max_torrents {torrents_max}") as _, scene.udp() as udp:
        good = udp.connection_id()
        for port in (1001, 1002):
            udp.answers([messages.announce(good, n, info_hash=messages.torrent(n), port=port)
                         for n in range(1, established + 1)])
        with scene.probe() as probe:
            for start in range(0, count, 10_000):
                udp.answers([messages.announce(good, n, info_hash=chance.randbytes(20))
                             for n in range(start, start + 10_000)], window=100)
        scraped = udp.ask(messages.scrape(
            good, udp.serial(), [messages.torrent(n) for n in range(1, established + 1)]))
        leechers = struct.unpack_from(">" + "8xI" * established, scraped, 8)
        scene.findings.exactly(
            f"swarms that survive {count:,} torrents", established,
            sum(number == 2 for number in leechers))
        if scene.is_trackerd:
            scene.findings.at_most("torrents", torrents_max, torrents_of(scene))
        scene.modest(1024 + torrents_max * 64 // 1024)
        scene.unharmed(probe)


def memory_at_its_limit(scene: Scene) -> None:
    """Info-hashes that nobody has, more than memory may hold: those who go are counted."""
    count = scene.size(100_000, 600_000)
    # About as little as is not refused.
    limit_mb = 5 + 2 * int(scene.findings.workers)
    chance = random.Random(10)
    with scene.serving(f"tracker.memory_limit {limit_mb}M") as _, scene.udp() as udp:
        good = udp.connection_id()
        answered = 0
        with scene.probe() as probe:
            for start in range(0, count, 10_000):
                answered += len(udp.answers([
                    messages.announce(good, n, info_hash=chance.randbytes(20))
                    for n in range(start, start + 10_000)], window=100))
        scene.findings.at_most("memory", limit_mb * 1024, scene.resident_kb(), " KB")
        # What is gone is counted within a second or two.
        scene.findings.exactly(
            f"in memory or counted as gone, all {answered:,}", True, eventually(
                lambda: torrents_of(scene) + gone_of(scene) >= answered, PATIENCE_SECS))
        scene.findings.at_least("of these, gone", 1, gone_of(scene))
        scene.unharmed(probe)


def memory_of_a_router(scene: Scene) -> None:
    """The profile for 32 MB in a control group that grants these, or less; and info-hashes that
    nobody has, several times as many as there is room for."""
    count, established = scene.size(300_000, 1_500_000), 50
    settings = [line for line in ROUTER.read_text().splitlines()
                if line and not line.startswith(("#", "listen.tcp_udp", "tracker.workers"))]
    chance = random.Random(11)
    for granted_mb in GRANTED_MB[scene.is_full]:
        with (control_group.group(granted_mb << 20) as group,
              scene.serving(*settings, through=group.enter) as _, scene.udp() as udp):
            good = udp.connection_id()
            for port in (1001, 1002):
                udp.answers([messages.announce(good, n, info_hash=messages.torrent(n), port=port)
                             for n in range(1, established + 1)])
            with scene.probe() as probe:
                for start in range(0, count, 10_000):
                    good = udp.connection_id()
                    udp.answers([messages.announce(good, n, info_hash=chance.randbytes(20))
                                 for n in range(start, start + 10_000)], window=100)
            scraped = udp.ask(messages.scrape(
                good, udp.serial(), [messages.torrent(n) for n in range(1, established + 1)]))
            leechers = struct.unpack_from(">" + "8xI" * established, scraped, 8)
            what = f"of {granted_mb} MB"
            scene.findings.exactly(
                f"swarms that survive {count:,} torrents, {what}", established,
                sum(number == 2 for number in leechers))
            scene.findings.at_most(
                f"peak of memory, {what}", granted_mb * 3 * 1024 * 11 // 40, scene.peak_kb(), " KB")
            scene.findings.at_least(f"torrents that made room, {what}", 1, gone_of(scene))
            scene.findings.exactly(f"ended by the system, {what}", 0, group.killed())
            scene.unharmed(probe)


def torrents_of(scene: Scene) -> int:
    return int(scene.page("/stats?mode=torr")[1].split()[0])


def gone_of(scene: Scene) -> int:
    """Torrents that made room for others, and those that found none."""
    return scene.count("torrents evicted") + scene.count("announces not stored")


def chosen_torrents(scene: Scene) -> None:
    """Info-hashes with a beginning or an end in common cost no more than random ones."""
    count = scene.size(5000, 30_000)
    chance = random.Random(5)
    kinds = {
        "random": lambda n: chance.randbytes(20),
        "common prefix": lambda n: bytes(16) + struct.pack(">I", n),
        "common suffix": lambda n: struct.pack(">I", n) + bytes(16),
        "little-endian": lambda n: struct.pack("<I", n) + bytes(16),
        "high bits": lambda n: struct.pack(">I", n << 14) * 5,
        "common middle": lambda n: struct.pack(">H", n >> 8) + bytes(16) + struct.pack(">H", n)}
    costs = {}
    for name, chosen in kinds.items():
        with scene.serving(idle="") as _, scene.udp() as udp:
            good = udp.connection_id()
            before = scene.cpu_secs()
            udp.answers([messages.announce(good, n, info_hash=chosen(n)) for n in range(count)],
                        window=100)
            costs[name] = (scene.cpu_secs() - before, scene.grown_kb())
    compare(scene, costs, count, "torrents")


def chosen_addresses(scene: Scene) -> None:
    """Peers of one swarm whose addresses have much in common cost no more than random ones."""
    count = scene.size(3000, 30_000)
    chance = random.Random(6)
    kinds = {
        "random": lambda n: (11 + chance.randrange(80)) << 24 | chance.randrange(1 << 24),
        "one after the other": lambda n: (11 << 24) + n,
        "every 256th": lambda n: (11 << 24) + (n << 8),
        "every 65536th": lambda n: (11 << 24) + ((n & 0xFFF) << 16) + (n >> 12)}
    costs = {}
    for name, chosen in kinds.items():
        with scene.serving("tracker.ip_from_query 127.0.0.0/8", idle="") as _:
            before = scene.cpu_secs()
            # Over some connections: one alone costs more if it isn't with the torrent's worker.
            streams = [scene.stream() for _ in range(CONNECTIONS)]
            for start in range(0, count, PIPELINE):
                addresses = [socket.inet_ntoa(struct.pack(">I", chosen(n)))
                             for n in range(start, start + PIPELINE)]
                pipeline(streams[start // PIPELINE % CONNECTIONS], [
                    messages.target(messages.torrent(1), ip=ip, numwant=0) for ip in addresses])
            close(streams)
            costs[name] = (scene.cpu_secs() - before, scene.grown_kb())
            swarm = bencode.decode(scene.page(messages.target(messages.torrent(1)))[1])
            scene.findings.at_least(
                f"peers whose addresses are {name}", int(count * 0.99), swarm[b"incomplete"])
    compare(scene, costs, count, "peers")


def pipeline(stream: socket.socket, targets: list[str]) -> None:
    """Asks for all, and reads as many answers."""
    stream.sendall(b"".join(map(messages.get, targets)))
    answers = b""
    while answers.count(b"HTTP/1.1 200 ") < len(targets) or not answers.endswith(b"e"):
        more = stream.recv(1 << 16)
        if not more:
            raise OSError(f"closed after {answers[-100:]!r}")
        answers += more


def compare(scene: Scene, costs: dict[str, tuple[float, int]], count: int, what: str) -> None:
    usual_secs, usual_kb = costs.pop("random")
    for name, (secs, kb) in costs.items():
        scene.findings.at_most(
            f"CPU of {count:,} {what}, {name}, to random", RATIO_MAX, secs / usual_secs)
        scene.findings.at_most(
            f"memory, {name}, to random", RATIO_MAX, (kb + 1024) / (usual_kb + 1024))
