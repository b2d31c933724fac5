"""One libtorrent session with one torrent, until it is killed; its alerts are the log.

usage: libtorrent_session.py TORRENT DIRECTORY PORT
"""

import sys

import libtorrent


def main(torrent: str, directory: str, port: str) -> None:
    kinds = libtorrent.alert.category_t
    session = libtorrent.session({
        "listen_interfaces": f"0.0.0.0:{port},[::]:{port}",
        "alert_mask": kinds.error_notification | kinds.status_notification
        | kinds.tracker_notification | kinds.connect_notification | kinds.peer_notification,
        "announce_to_all_tiers": True,
        "validate_https_trackers": False,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_natpmp": False,
        "enable_upnp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
    })
    flags = libtorrent.torrent_flags
    params = libtorrent.add_torrent_params()
    params.ti = libtorrent.torrent_info(torrent)
    params.save_path = directory
    params.flags |= flags.disable_dht | flags.disable_lsd | flags.disable_pex
    params.flags &= ~(flags.auto_managed | flags.paused)
    session.add_torrent(params)
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            print(type(alert).__name__, alert.message(), flush=True)


main(*sys.argv[1:])
