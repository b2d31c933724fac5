"""Files that real clients get, knowing our tracker alone; and the ways peers are found."""

from __future__ import annotations

from client import PORT
from peer import Peer
from real import CLIENTS, MetaLibtorrent, Public
from scene import (
    ABROAD, CLIENT, FARM_ADDRESSES, FARM_PORT, LAN, OUTSIDE, STRANGER, WAN, Scene)
from tests_of_asking import udp

# A machine that is busy takes its time to look at clients and to ask others.
HOLD = "meta.hold 8000"
FINISH_SECS_MAX = 75
FARM_NODES = [[address, FARM_PORT] for address in FARM_ADDRESSES[:4]]


def another_tracker(scene: Scene) -> None:
    """The seeder is known to Debian's opentracker alone; leechers of every kind know only ours."""
    cases = [(kind, "http") for kind in CLIENTS] + [(MetaLibtorrent, "udp")]
    payloads = [Public(f"tracker {kind.name} {proto}") for kind, proto in cases]
    abroad = scene.opentracker([payload.info_hash for payload in payloads])
    tracker = scene.tracker([abroad.url("udp")], HOLD, "meta.pps 200", "meta.tcp 16")
    asker = tracker.asker(STRANGER)
    asker.address, asker.port = abroad.addresses[0], abroad.port
    for payload in payloads:
        _seed(scene, payload, [abroad.url("udp")])
    scene.until(lambda: all(asker.scrape(payload.info_hash, "/scrape?")[0]
                            for payload in payloads), "opentracker knows the seeders", 60)
    leechers = [_leech(scene, kind, payload, tracker.url(proto))
                for (kind, proto), payload in zip(cases, payloads)]
    for (kind, proto), payload, leecher in zip(cases, payloads, leechers):
        scene.becomes(f"{kind.name}, {proto}: the file is there",
                      lambda p=payload, c=leecher: p.is_in(c.content), FINISH_SECS_MAX)


def the_hash_table(scene: Scene) -> None:
    """The seeder is known to twelve nodes of the hash table alone."""
    scene.findings.at_least("others each node knows", 3, min(scene.farm.nodes()))
    payload = Public("dht")
    _seed(scene, payload, [], dht=FARM_NODES)
    scene.until(lambda: scene.farm.find(payload.info_hash), "the table knows the seeder", 60)
    tracker = scene.tracker([], HOLD, "meta.dht lookup", *scene.farm.settings, "meta.pps 200")
    leecher = _leech(scene, MetaLibtorrent, payload, tracker.url())
    scene.becomes("the file is there", lambda: payload.is_in(leecher.content), FINISH_SECS_MAX)


def peer_exchange(scene: Scene) -> None:
    """The seeder is known to one peer alone, which has nothing of the file itself."""
    payload = Public("pex")
    seeder = _seed(scene, payload, [], pex=True)
    abroad = scene.opentracker([payload.info_hash])
    between = scene.client(
        MetaLibtorrent, WAN, pex=True, empty_handed=True,
        peers=[[seeder.host.addresses[4], PORT]])
    between.start(payload.torrent([abroad.url("udp")]))
    asker = scene.tracker([]).asker(STRANGER)
    asker.address, asker.port = abroad.addresses[0], abroad.port
    scene.until(lambda: sum(asker.scrape(payload.info_hash, "/scrape?")[:2]),
                "opentracker knows the one between", 60)
    tracker = scene.tracker([abroad.url("udp")], HOLD, "meta.pex yes")
    # The first answer waits for what peers tell: libtorrent asks again after five minutes.
    leecher = _leech(scene, MetaLibtorrent, payload, tracker.url())
    scene.becomes("the file is there", lambda: payload.is_in(leecher.content), FINISH_SECS_MAX)
    told = tracker.asker(CLIENT).http(payload.info_hash).peers
    scene.findings.exactly(
        "our tracker tells of the seeder", True, (seeder.host.addresses[4], PORT) in told)
    scene.findings.exactly("the one between has it", False, payload.is_in(between.content))


def told_to_the_hash_table(scene: Scene) -> None:
    """`meta.dht announce`: a client is found there, if somebody else was before."""
    tracker = scene.tracker(
        [], "meta.public_proof no", "meta.dht announce", *scene.farm.settings, HOLD,
        "meta.pps 200")
    known, unknown = scene.torrent(), scene.torrent()
    scene.farm.announce(known, 7000)
    scene.until(lambda: scene.farm.find(known), "the table knows somebody", 60)
    for torrent in (known, unknown):
        tracker.asker(CLIENT, 7007).http(torrent)
    scene.becomes("it knows the client, at our address", lambda: (
        OUTSIDE, 7007) in scene.farm.find(known), 40)
    reply = tracker.asker(CLIENT, 7008).http(known)
    others = [peer for peer in reply.peers if peer[1] == 7000]
    scene.findings.at_least("peers found there", 1, len(others))
    found = scene.farm.find(unknown)
    scene.findings.exactly("what nobody knew before is not announced", [], found)


def only_looked_up(scene: Scene) -> None:
    """`meta.dht lookup` announces nobody."""
    tracker = scene.tracker(
        [], "meta.public_proof no", "meta.never_first no", "meta.dht lookup",
        *scene.farm.settings, HOLD)
    torrent = scene.torrent()
    scene.farm.announce(torrent, 7000)
    scene.until(lambda: scene.farm.find(torrent), "the table knows somebody", 60)
    reply = tracker.asker(CLIENT, 7007).http(torrent)
    scene.findings.at_least("peers found there", 1, len(reply.peers))
    ports = {port for _, port in scene.farm.find(torrent)}
    scene.findings.exactly("ports that are known there", {7000}, ports)


def peers_tell_of_others(scene: Scene) -> None:
    """What a scripted peer tells of is told, but not what nobody may have as an address."""
    others = [("46.200.0.1", 7000), ("46.200.0.2", 7001)]
    bogons = [("127.0.0.1", 80), ("10.0.0.1", 80), ("0.0.0.0", 1), ("46.200.0.3", 0)]
    host = scene.host(WAN)
    with host.entered():
        teller = scene.use(Peer("public", host.addresses[4], others + bogons))
    torrent = teller.info_hash
    upstream = udp(scene)
    upstream.peers = [(teller.host, teller.port)]
    tracker = scene.tracker(
        [upstream], "meta.public_proof no", "meta.never_first no", "meta.pex yes",
        "meta.hold 0")
    asker = tracker.asker(CLIENT)
    scene.becomes("its others are told", lambda: asker.http(
        torrent, event="").peers >= set(others), 40)
    told = asker.http(torrent, event="").peers
    scene.findings.exactly("bogons told", 0, len(told & set(bogons)))


def _seed(scene: Scene, payload: Public, urls: list[str], **options) -> MetaLibtorrent:
    client = scene.client(MetaLibtorrent, WAN, **options)
    payload.put_into(client.content)
    client.start(_torrent(payload, urls))
    return client


def _leech(scene: Scene, kind, payload: Public, url: str, **options):
    client = scene.client(kind, LAN, **options)
    client.start(payload.torrent([url]))
    return client


def _torrent(payload: Public, urls: list[str]) -> bytes:
    # A tracker that nobody has, since a torrent names one.
    return payload.torrent(urls or ["udp://127.0.0.1:9/announce"])
