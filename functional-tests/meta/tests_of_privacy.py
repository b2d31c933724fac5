"""What may be told to others: nothing of private torrents."""

from __future__ import annotations

import socket
import time

from client import PORT
from peer import DICTIONARIES, OTHERS, Peer, proof
from real import MetaAria2, MetaLibtorrent, MetaRtorrent, MetaTransmission, Public
from payload import Payload
from scene import ABROAD, CLIENT, LAN, Scene
from tests_of_asking import http, udp

DHT_NODE_BYTES = 2048


class Node:
    """A place where a node of the hash table might be: counts what comes."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ABROAD, 0))
        self._socket.setblocking(False)
        self.datagrams: list[bytes] = []

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_) -> None:
        self._socket.close()

    @property
    def place(self) -> str:
        return "%s:%d" % self._socket.getsockname()

    def mentions(self, info_hash: bytes) -> int:
        """How many datagrams so far were about a torrent."""
        while True:
            try:
                self.datagrams.append(self._socket.recv(DHT_NODE_BYTES))
            except BlockingIOError:
                return sum(info_hash in datagram for datagram in self.datagrams)


def only_what_is_proven(scene: Scene) -> None:
    """Of scripted clients, one that shows that its torrent is public has others asked; nobody
    else has a datagram sent to anybody, the hash table included."""
    node = scene.use(Node())
    ups = [udp(scene), http(scene)]
    tracker = scene.tracker(
        ups, "meta.dht lookup", f"meta.dht_bootstrap {node.place}", "meta.hold 0",
        "meta.announce always", "meta.allow_private yes")
    kinds = [*DICTIONARIES, *OTHERS]
    peers = {}
    for kind in kinds:
        peers[kind] = scene.use(Peer(kind, CLIENT))
    nobody = scene.torrent()
    for way in ("http", "udp"):
        asker = tracker.asker(CLIENT, 1)
        getattr(asker, way)(nobody)
        asker.close()
    for kind in [kind for kind in kinds if kind != "public"] + ["public"]:
        tracker.asker(CLIENT, peers[kind].port).http(peers[kind].info_hash)
    public = peers["public"].info_hash
    scene.becomes("the public one has both asked", lambda: all(
        up.seen("announce", public) for up in ups))
    scene.becomes("and the hash table", lambda: node.mentions(public))
    scene.becomes("all were looked at", lambda: all(
        peer.visits for peer in peers.values()), 40)
    # The slowest of them is given up by then.
    scene.becomes("none is looked at any more", lambda: tracker.figure("public") == 1
                  and tracker.figure("unproven") >= len(kinds))
    scene.pass_by(1)
    hidden = [peer.info_hash for kind, peer in peers.items() if kind != "public"] + [nobody]
    told = {kind: sum(len(up.seen("", peer.info_hash)) for up in ups)
            + node.mentions(peer.info_hash)
            for kind, peer in peers.items() if kind != "public"}
    scene.findings.none("those of which others heard", [k for k, count in told.items() if count])
    scene.findings.exactly("packets about what isn't proven", 0, sum(
        len(up.seen("", info_hash)) for up in ups for info_hash in hidden)
        + sum(map(node.mentions, hidden)))


def matrix(scene: Scene) -> None:
    """What real clients show of public, private and unknown torrents, and what is made of it."""
    node = scene.use(Node())
    up = udp(scene)
    tracker = scene.tracker(
        [up], "meta.never_first no", "meta.dht lookup", f"meta.dht_bootstrap {node.place}",
        "meta.pps 1000", "meta.tcp 32", "meta.hold 0")
    cells = {}
    for kind in (MetaLibtorrent, MetaTransmission, MetaAria2, MetaRtorrent):
        for torrent in ("public", "private", "magnet"):
            if torrent == "magnet" and kind in (MetaAria2, MetaRtorrent):
                continue
            name = f"{kind.name} {torrent}"
            payload = (Payload if torrent == "private" else Public)(f"matrix {name}")
            options = {}
            if torrent == "magnet":
                options["magnet"] = payload.magnet(tracker.url())
            client = scene.client(kind, LAN, **options)
            if torrent != "magnet":
                payload.put_into(client.content)
            client.start(payload.torrent([tracker.url()]))
            if torrent == "magnet" and kind is MetaTransmission:
                scene.until(client.add_magnet, f"{name}: it takes the link")
            cells[name] = client, payload.info_hash
    expected = {"public": "yes", "private": "no", "magnet": "unknown"}
    # Before anybody asks for the metadata of their torrents, these say the same of all.
    for name, (client, info_hash) in cells.items():
        said = _said(scene, client, info_hash)
        scene.findings.exactly(f"{name} says", expected[name.split()[1]], said)
    scene.becomes(
        "all have announced", lambda: tracker.figure("swarms") >= len(cells), 60)
    publics = [info_hash for name, (_, info_hash) in cells.items() if "public" in name]
    scene.becomes("the public ones are passed on", lambda: all(
        up.seen("announce", info_hash) for info_hash in publics))
    scene.becomes("to the hash table as well", lambda: any(map(node.mentions, publics)))
    scene.pass_by(1)
    for name, (_, info_hash) in cells.items():
        if "public" not in name:
            packets = len(up.seen("", info_hash)) + node.mentions(info_hash)
            scene.findings.exactly(f"{name}: packets to others", 0, packets)


def _said(scene: Scene, client, info_hash: bytes) -> str:
    """What it says, once it listens and knows its torrent."""
    deadline = time.monotonic() + 40
    while True:
        try:
            return proof(client.host.addresses[4], PORT, info_hash)
        except OSError as error:
            if time.monotonic() > deadline:
                return f"nothing: {error!r}"
            time.sleep(0.3)
