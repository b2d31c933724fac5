"""One libtorrent session with one torrent, until it is killed; its alerts are the log.

usage: session.py OPTIONS, which are JSON: `port` and `directory`; `torrent`, a file, or `magnet`, a
URI; `dht`, nodes of the hash table; `pex`, whether peers are told of each other; `peers` to connect
to; and `empty_handed`, to want nothing of the torrent, so that nothing can be had from it.
"""

import json
import sys
import time

import libtorrent

AGAIN_SECS = 1.0


def main(text: str) -> None:
    options = json.loads(text)
    session = libtorrent.session(settings(options))
    handle = session.add_torrent(torrent(options))
    for address, port in options.get("dht", []):
        session.add_dht_node((address, port))
    again = 0.0
    while True:
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            print(type(alert).__name__, alert.message(), flush=True)
        if time.monotonic() > again:
            again = time.monotonic() + AGAIN_SECS
            for address, port in options.get("peers", []):
                handle.connect_peer((address, port))
            if options.get("dht"):
                handle.force_dht_announce()


def settings(options: dict) -> dict:
    kinds = libtorrent.alert.category_t
    port = options["port"]
    return {
        "listen_interfaces": f"0.0.0.0:{port},[::]:{port}",
        "alert_mask": kinds.error_notification | kinds.status_notification
        | kinds.tracker_notification | kinds.connect_notification | kinds.peer_notification,
        "announce_to_all_tiers": True,
        "enable_dht": bool(options.get("dht")),
        "dht_bootstrap_nodes": "",
        "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
        "dht_prefer_verified_node_ids": False, "dht_enforce_node_id": False,
        "dht_ignore_dark_internet": False,
        "enable_lsd": False, "enable_natpmp": False, "enable_upnp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        # Those who have nothing for each other stay connected, to tell of others.
        "close_redundant_connections": False}


def torrent(options: dict) -> libtorrent.add_torrent_params:
    flags = libtorrent.torrent_flags
    if "magnet" in options:
        params = libtorrent.parse_magnet_uri(options["magnet"])
    else:
        params = libtorrent.add_torrent_params()
        params.ti = libtorrent.torrent_info(options["torrent"])
    if options.get("empty_handed"):
        params.file_priorities = [0]
    params.save_path = options["directory"]
    params.flags |= flags.disable_lsd
    if not options.get("dht"):
        params.flags |= flags.disable_dht
    if not options.get("pex"):
        params.flags |= flags.disable_pex
    params.flags &= ~(flags.auto_managed | flags.paused)
    return params


main(sys.argv[1])
