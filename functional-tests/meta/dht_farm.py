"""A distributed hash table of twelve libtorrent sessions, each at an address of its own.

usage: dht_farm.py PORT ADDRESS...

A line of JSON on its input is a wish, a line on its output the answer: {"find": HEX} gives the
peers of an info-hash, as one of the sessions finds them. The first line on the output says that all
nodes know others.
"""

from __future__ import annotations

import json
import sys
import time

import libtorrent

READY_SECS_MAX = 60.0
FIND_SECS_MAX = 10.0


def session(address: str, port: int, nodes: list[str]) -> libtorrent.session:
    """One node; what real networks need against liars is off, since all are neighbours here."""
    kinds = libtorrent.alert.category_t
    return libtorrent.session({
        "listen_interfaces": f"{address}:{port}",
        "alert_mask": kinds.dht_notification | kinds.dht_operation_notification
        | kinds.error_notification | kinds.stats_notification,
        "enable_dht": True, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "dht_bootstrap_nodes": ",".join(nodes),
        "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
        "dht_prefer_verified_node_ids": False, "dht_enforce_node_id": False,
        "dht_ignore_dark_internet": False, "dht_privacy_lookups": False,
        "dht_upload_rate_limit": 1_000_000, "dht_block_ratelimit": 100_000,
        "alert_queue_size": 10_000})


def neighbours(node: libtorrent.session) -> int:
    """How many others it knows."""
    node.post_dht_stats()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        for alert in node.pop_alerts():
            if isinstance(alert, libtorrent.dht_stats_alert):
                return sum(bucket["num_nodes"] for bucket in alert.routing_table)
        node.wait_for_alert(100)
    return 0


def find(node: libtorrent.session, info_hash: bytes) -> list[tuple[str, int]]:
    """The peers that others have of it."""
    wanted = libtorrent.sha1_hash(info_hash)
    node.dht_get_peers(wanted)
    deadline = time.monotonic() + FIND_SECS_MAX
    while time.monotonic() < deadline:
        for alert in node.pop_alerts():
            if isinstance(alert, libtorrent.dht_get_peers_reply_alert):
                if alert.info_hash == wanted and alert.num_peers():
                    return [tuple(peer) for peer in alert.peers()]
        node.wait_for_alert(100)
    return []


def main(port: str, *addresses: str) -> None:
    places = [(address, int(port)) for address in addresses]
    first = "%s:%d" % places[0]
    nodes = [session(*place, [] if at == 0 else [first]) for at, place in enumerate(places)]
    for node in nodes:
        for place in places:
            node.add_dht_node(place)
    deadline = time.monotonic() + READY_SECS_MAX
    while min(map(neighbours, nodes)) < 3:
        if time.monotonic() > deadline:
            sys.exit("the nodes do not find each other")
        time.sleep(0.1)
    print(json.dumps({"ready": [neighbours(node) for node in nodes]}), flush=True)
    for line in sys.stdin:
        wish = json.loads(line)
        print(json.dumps(find(nodes[-1], bytes.fromhex(wish["find"]))), flush=True)


main(*sys.argv[1:])
