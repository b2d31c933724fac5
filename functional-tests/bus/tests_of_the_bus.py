"""What three nodes and a server have to do, each test with nodes of its own."""

from __future__ import annotations

import os
import struct
import subprocess
import threading
import time
import zlib
from pathlib import Path

import network
from libtorrent_client import Libtorrent
from node import Counts, Node, torrent, udp_announce, until
from payload import Payload
from server import Cluster, Server

KEY = "0123456789abcdef0123456789abcdef"
# The server's address on the router, which belongs to no node.
SERVER = network.address(2, 4)
HERE = network.address(1, 4)


class Scene:
    """What one test has to itself."""

    def __init__(self, directory: Path, away_secs: float):
        self.directory = directory
        self.away_secs = away_secs
        self.nodes: list[Node] = []
        self.others: list = []
        directory.mkdir()
        (directory / "key").write_text(KEY)

    def server(self) -> Server:
        self.others.append(Server(self.directory / "redis", SERVER))
        return self.others[-1]

    def cluster(self) -> Cluster:
        self.others.append(Cluster(self.directory / "redis", SERVER))
        return self.others[-1]

    def node(self, server, **settings: str) -> Node:
        """A node that has started. `__` stands for the point in a setting's name."""
        settings = {key.replace("__", "."): value for key, value in settings.items()}
        settings = {"bus.key_file": str(self.directory / "key"), **settings}
        if settings["bus.key_file"] == "none":
            del settings["bus.key_file"]
        name = f"node{len(self.nodes)}"
        self.nodes.append(Node(self.directory / name, server.url, settings))
        return self.nodes[-1].start()

    def three(self, server, **settings: str) -> list[Node]:
        nodes = [self.node(server, **settings) for _ in range(3)]
        return [node.connected() for node in nodes]

    def clear(self) -> None:
        for process in [*self.nodes, *self.others]:
            process.kill()
        for node in self.nodes:
            node.host.remove()

    def logs(self) -> list[str]:
        lines = []
        for node in self.nodes:
            if node.process:
                lines += [f"log of {node.directory.name}:", *node.process.log_tail(8)]
        return lines


def peer(number: int) -> tuple:
    return (f"10.{1 + number // 65536}.{number // 256 % 256}.{number % 256}", 1000 + number % 60000)


def equal(nodes: list[Node], info_hashes: list[bytes]) -> bool:
    rows = [[node.scrape(info_hash) for info_hash in info_hashes] for node in nodes]
    return all(row == rows[0] for row in rows)


def found_within_a_second(scene: Scene) -> str:
    """A seeder on one node is found by a leecher on another within a second"""
    nodes = scene.three(scene.server())
    times = []
    for number in range(9):
        here, there = nodes[number % 3], nodes[(number + 1) % 3]
        info_hash = torrent(f"found {number}")
        here.announce(info_hash, peer(number), left=0, event="started")
        times.append(until(lambda: there.peers(info_hash) == {peer(number)}, "never found"))
    assert sorted(times)[4] < 1, f"it took {times}"
    # Completed and stopped are told as well, and counted once.
    info_hash = torrent("a life")
    nodes[0].announce(info_hash, peer(1), event="started")
    for node in nodes:
        until(lambda: node.scrape(info_hash) == Counts(0, 1, 0), "a start was not told")
    nodes[1].announce(info_hash, peer(1), left=0, event="completed")
    for node in nodes:
        until(lambda: node.scrape(info_hash) == Counts(1, 0, 1), "a completion was not told")
    nodes[2].announce(info_hash, peer(1), left=0, event="stopped")
    for node in nodes:
        until(lambda: node.scrape(info_hash) == Counts(0, 0, 1), "a stop was not told")
    # What was learned isn't told again: as many were told as announced, here or by the observer.
    told = sum(node.count("told") for node in nodes)
    assert told == 9 + 9 + 3, told
    return f"after {sorted(times)[4] * 1000:.0f} ms in the middle, {max(times) * 1000:.0f} at most"


def server_killed_and_restarted(scene: Scene) -> str:
    """The server is killed and started again: no reply is missed, and counts converge"""
    server = scene.server()
    nodes = scene.three(server)
    info_hashes = [torrent(f"killed {number}") for number in range(20)]
    ended, errors, slowest, sent = threading.Event(), [], [0.0], [0]

    def announce(node: Node, first: int) -> None:
        number = first
        while not ended.is_set():
            began = time.monotonic()
            try:
                node.announce(info_hashes[number % 20], peer(number), left=number % 2)
            except (OSError, RuntimeError) as error:
                errors.append(error)
            slowest[0] = max(slowest[0], time.monotonic() - began)
            sent[0] += 1
            number += 3
            # The pace of the load; nothing is waited for.
            ended.wait(0.005)

    threads = [threading.Thread(target=announce, args=(n, i)) for i, n in enumerate(nodes)]
    for thread in threads:
        thread.start()

    def meanwhile(announces: int) -> None:
        """Goes on when so many more have been answered."""
        enough = sent[0] + announces
        until(lambda: sent[0] >= enough, f"{announces} more announces were never answered")

    try:
        meanwhile(400)
        server.kill()
        meanwhile(1200)
        # It has forgotten everything; what was told meanwhile was kept by those who told it.
        server.start()
        meanwhile(400)
        server.kill()
        server.start()
        meanwhile(200)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not errors, f"{len(errors)} of {sent[0]} announces had no answer: {errors[0]}"
    took = until(lambda: equal(nodes, info_hashes), "counts never converged", 30)
    everybody = sum(sum(nodes[0].scrape(i)[:2]) for i in info_hashes)
    assert everybody == sent[0], f"{everybody} peers of {sent[0]}"
    at_most = slowest[0] * 1000
    return f"{sent[0]} announces answered, {at_most:.0f} ms at most; equal {took:.1f} s later"


def stopped_node_catches_up(scene: Scene) -> str:
    """A node that stood still, and one that was started anew, catch up from the stream"""
    server = scene.server()
    nodes = scene.three(server)
    info_hashes = [torrent(f"away {number}") for number in range(10)]
    for number in range(100):
        nodes[number % 3].announce(info_hashes[number % 10], peer(number), left=number % 2)
    until(
        lambda: equal(nodes, info_hashes) and sum(sum(nodes[0].scrape(i)[:2]) for i in info_hashes)
        == 100, "counts never converged")
    caught_up = nodes[2].count("caught up")
    nodes[2].pause()
    began = time.monotonic()
    # What waits for it is thrown away, as a server does in time.
    time.sleep(1)
    server.ask("CLIENT", "KILL", "TYPE", "pubsub")
    number = 100
    while time.monotonic() - began < scene.away_secs:
        nodes[number % 2].announce(info_hashes[number % 10], peer(number), left=number % 2)
        # Some of those who were there have left.
        nodes[0].announce(info_hashes[number % 10], peer(number - 90), event="stopped")
        number += 1
        time.sleep(0.05)
    nodes[2].resume()
    resumed = until(lambda: equal(nodes, info_hashes), "it never caught up", 30)
    until(lambda: nodes[2].count("caught up") > caught_up, "it did without the stream")
    # One that has forgotten everything learns it anew, what it told itself included.
    nodes[2].terminate()
    nodes[2].start()
    anew = until(lambda: equal(nodes, info_hashes), "the new one never caught up", 30)
    everybody = sum(sum(nodes[2].scrape(i)[:2]) for i in info_hashes)
    assert everybody == 100 - 10 - (number - 100 - 10) + (number - 100), everybody
    return (
        f"{resumed:.1f} s after standing still for {scene.away_secs:.0f} s, "
        f"{anew:.1f} s after a new start")


def partition_and_heal(scene: Scene) -> str:
    """A node is cut off and comes back: peers are the same everywhere"""
    server = scene.server()
    nodes = scene.three(server)
    info_hash = torrent("cut")
    for number in range(30):
        nodes[number % 3].announce(info_hash, peer(number))
    until(lambda: all(len(node.peers(info_hash)) == 30 for node in nodes), "peers were not told")
    rule = ["from", SERVER, "to", nodes[0].address, "blackhole"]
    subprocess.run(["ip", "rule", "add", *rule], check=True)
    try:
        for number in range(30, 60):
            nodes[number % 3].announce(info_hash, peer(number))
        # Known on both sides, each has left on one, and one has come back on the other.
        nodes[0].announce(info_hash, peer(1), event="stopped")
        nodes[1].announce(info_hash, peer(3), event="stopped")
        nodes[1].announce(info_hash, peer(6), event="stopped")
        time.sleep(0.5)
        nodes[0].announce(info_hash, peer(6), event="started")
        failures = nodes[0].count("failures")
        until(lambda: nodes[0].count("failures") > failures, "it never noticed", 30)
        assert not equal(nodes, [info_hash]), "it was not cut off"
    finally:
        subprocess.run(["ip", "rule", "delete", *rule], check=True)
    # The one who came back stays, though he was never gone where he came back.
    expected = {peer(number) for number in range(60) if number not in (1, 3)}
    try:
        took = until(
            lambda: all(node.peers(info_hash) == expected for node in nodes),
            "peers never were the same", 40)
        until(lambda: equal(nodes, [info_hash]), "counts never were the same")
    except AssertionError:
        wrong = [sorted(node.peers(info_hash) ^ expected) for node in nodes]
        raise AssertionError(f"peers never were the same: {wrong}") from None
    return f"{took:.1f} s after it healed"


def garbage_is_ignored(scene: Scene) -> str:
    """Garbage, frames without the key and those of others' keys are ignored and counted"""
    server = scene.server()
    (scene.directory / "other-key").write_text(KEY[::-1])
    nodes = [scene.node(server) for _ in range(2)]
    stranger = scene.node(server, bus__key_file=str(scene.directory / "other-key"))
    for node in scene.nodes:
        node.connected()
    unsigned = b"tb\1\0\0\0" + struct.pack(">QQQ", 7, 1, 0)
    unsigned += struct.pack(">I", zlib.crc32(unsigned))
    garbage = [b"", b"tb", b"\0" * 30, os.urandom(500), os.urandom(100_000), unsigned[:-1]]
    before = [(node.count("malformed"), node.count("forged")) for node in nodes]
    for frame in garbage + [unsigned] * 3:
        server.ask("PUBLISH", "{trackerd}:live", frame)
        server.ask("XADD", "{trackerd}:stream", "*", "f", frame)
    server.ask("XADD", "{trackerd}:stream", "*", "a", "b", "c", "d")
    stranger.announce(torrent("garbage"), peer(1))
    for node, (malformed, _) in zip(nodes, before):
        until(lambda: node.count("malformed") == malformed + len(garbage), "not counted")
    nodes[0].announce(torrent("garbage"), peer(2))
    until(lambda: nodes[1].peers(torrent("garbage")) == {peer(2)}, "deaf after garbage")
    for node, (_, forged) in zip(nodes, before):
        until(lambda: node.count("forged") >= forged + 4, "forgeries were not counted")
        assert node.peers(torrent("garbage")) == {peer(2)}
    # Who starts with garbage in the stream gets along with it.
    third = scene.node(server).connected()
    until(lambda: third.peers(torrent("garbage")) == {peer(2)}, "never caught up")
    assert third.count("malformed") >= len(garbage)
    return f"{len(garbage)} malformed, 4 or more forged"


def lists_and_secret_are_shared(scene: Scene) -> str:
    """Lists, keys and the secret of connection ids come from the server, or from the local copy"""
    server = scene.server()
    allowed, banned = torrent("allowed"), torrent("banned")
    server.ask("SADD", "{trackerd}:whitelist", allowed.hex())
    nodes = []
    for number in range(2):
        place = scene.directory / f"files{number}"
        place.mkdir()
        (place / "white").write_text("# what the server says comes here\n")
        nodes.append(scene.node(
            server, bus__lists="yes", bus__secret="yes", access__whitelist=str(place / "white"),
            udp__secret_file=str(place / "secret")))

    def serves(node: Node, info_hash: bytes) -> bool:
        try:
            node.announce(info_hash, peer(1))
            return True
        except RuntimeError:
            return False

    for node in nodes:
        until(lambda: serves(node, allowed), "the list never came")
        assert not serves(node, banned)
    secrets = [scene.directory / f"files{number}" / "secret" for number in range(2)]
    until(lambda: all(secret.exists() for secret in secrets), "the secret never came")
    assert secrets[0].read_text() == secrets[1].read_text()
    # An id of one node is good on the other, for whom it was issued.
    ours, others = HERE, network.address(3, 4)

    def is_good(source: str) -> bool:
        datagram = udp_announce(nodes[0].connection_id(ours), allowed, 4711)
        return nodes[1].ask(source, datagram)[:4] == struct.pack("!I", 1)

    until(lambda: is_good(ours), "ids of one node were never good on the other")
    assert not is_good(others)
    server.ask("SADD", "{trackerd}:whitelist", banned.hex())
    server.ask("INCR", "{trackerd}:version")
    for node in nodes:
        took = until(lambda: serves(node, banned), "the change never came", 15)
    # Without the server they start from the copy.
    server.kill()
    nodes[0].terminate()
    nodes[0].start()
    assert serves(nodes[0], banned) and not serves(nodes[0], torrent("else"))
    assert is_good(ours)
    return f"a change was heeded within {max(took, 0.1):.1f} s after the first"


def cluster_of_servers(scene: Scene) -> str:
    """The server is a cluster: channels are sharded"""
    cluster = scene.cluster()
    nodes = [scene.node(cluster) for _ in range(2)]
    # Another of its servers will do as well.
    nodes.append(scene.node(cluster.servers[2]))
    for node in nodes:
        node.connected()
    for number, node in enumerate(nodes):
        node.announce(torrent("cluster"), peer(number))
    everybody = {peer(number) for number in range(3)}
    for node in nodes:
        until(lambda: node.peers(torrent("cluster")) == everybody, "not everybody was told of")
    owners = [s for s in cluster.servers if s.ask("PUBSUB", "SHARDCHANNELS")]
    assert len(owners) == 1 and not any(s.ask("PUBSUB", "CHANNELS") for s in cluster.servers)
    fresh = scene.node(cluster)
    until(lambda: fresh.peers(torrent("cluster")) == everybody, "the new one never caught up")
    return f"by {owners[0].port}, one of {len(cluster.servers)}"


def live_sync_beside_the_bus(scene: Scene) -> str:
    """Live sync and the bus together: everything is told by both and counted once"""
    server = scene.server()
    here, there = "10.78.0.1", "10.78.0.2"
    nodes = [scene.node(server, tracker__interval="600") for _ in range(2)]
    # Multicast doesn't go from host to host by a router, so one of them moves to the router.
    host = nodes[0].host
    subprocess.run(["ip", "address", "add", f"{here}/24", "dev", host.name], check=True)
    subprocess.run(
        ["ip", "-netns", host.name, "address", "add", f"{there}/24", "dev", "eth0"], check=True)
    for node, own, other in [(nodes[0], there, here), (nodes[1], here, there)]:
        node.terminate()
        node.settings["livesync.cluster.listen"] = own
        node.settings["livesync.cluster.node_ip"] = other
    nodes[1].host.remove()
    nodes[1].host = Router()
    nodes[1].address = network.address(4, 4)
    for node in nodes:
        node.start().connected()
    info_hash = torrent("both")
    for number in range(60):
        # A full packet is sent at once.
        nodes[number % 2].announce(info_hash, peer(number), event="started")
        nodes[number % 2].announce(info_hash, peer(number), left=0, event="completed")
    expected = Counts(60, 0, 60)

    def synced(node: Node) -> int:
        return int(node.get("/stats?mode=syncs").split(b"\n")[0])

    for node in nodes:
        until(lambda: node.scrape(info_hash) == expected, "not everybody was told of")
    for node in nodes:
        until(lambda: synced(node) >= 52, "live sync is silent", 25)
        assert node.scrape(info_hash) == expected, node.scrape(info_hash)
        assert node.count("learned") == 60, node.count("learned")
        assert node.count("told") == 60, node.count("told")
    return f"{synced(nodes[0])} and {synced(nodes[1])} records by live sync"


class Router:
    """The router as a node's host."""

    addresses = {4: network.address(4, 4)}

    def command(self, argv: list[str]) -> list[str]:
        return argv

    def remove(self) -> None:
        """It stays."""


def throughput(scene: Scene) -> str:
    """Announces that are all news cost not much more with the bus than without"""
    from load import announce_costs

    server = scene.server()
    # The same number of workers, one, so that letters play no part.
    off = Node(scene.directory / "off", "", {"tracker.workers": "1"})
    scene.nodes.append(off)
    off.start()
    on = scene.node(server, tracker__workers="1").connected()
    costs = {off: [], on: []}
    for turn in range(5):
        for node in (off, on):
            costs[node].append(announce_costs(node, 8000, turn)[0])
    off_micros, on_micros = min(costs[off]), min(costs[on])
    # Others use this machine as well: see scripts/bench/bus for the figure.
    assert on_micros < 1.5 * off_micros, f"{on_micros:.2f} µs instead of {off_micros:.2f}"
    assert on.count("sent") == on.count("told") == 40_000
    return f"{off_micros:.2f} µs without, {on_micros:.2f} with, {off_micros / on_micros:.0%}"


def real_clients(scene: Scene) -> str:
    """A real client fetches its file from one whose tracker is another node"""
    nodes = scene.three(scene.server())
    payload = Payload("many nodes")
    clients = []

    def client(name: str, node: Node) -> Libtorrent:
        clients.append(Libtorrent(scene.directory / name, network.Host([4])))
        return clients[-1]

    def url(node: Node) -> str:
        return f"udp://{node.address}:6969/announce"

    try:
        seeder = client("seeder", nodes[0])
        payload.put_into(seeder.content)
        seeder.start(payload.torrent([url(nodes[0])]))
        until(lambda: nodes[1].scrape(payload.info_hash).seeders == 1, "the seeder never came")
        leechers = [client(f"leecher{n}", node) for n, node in enumerate(nodes[1:])]
        for leecher, node in zip(leechers, nodes[1:]):
            leecher.start(payload.torrent([url(node)]))
        took = until(
            lambda: all(payload.is_in(leecher.content) for leecher in leechers),
            "the file never came", 60)
        until(
            lambda: all(n.scrape(payload.info_hash) == Counts(3, 0, 2) for n in nodes),
            "the nodes never agreed that it had")
    finally:
        for one in clients:
            if one.process:
                one.process.kill()
            one.host.remove()
    return f"both leechers had it after {took:.1f} s"


TESTS = [
    found_within_a_second, server_killed_and_restarted, stopped_node_catches_up,
    partition_and_heal, garbage_is_ignored, lists_and_secret_are_shared, cluster_of_servers,
    live_sync_beside_the_bus, throughput, real_clients]
# What a test needs besides a server.
NEEDS = {real_clients: Libtorrent}
