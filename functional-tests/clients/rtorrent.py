"""rTorrent (checked with 0.9.8)."""

import shutil
from pathlib import Path

from client import PORT, Client

RC = """\
system.daemon.set = true
network.port_range.set = {port}-{port}
network.port_random.set = no
dht.mode.set = disable
protocol.pex.set = no
trackers.use_udp.set = yes
network.http.ssl_verify_host.set = 0
network.http.ssl_verify_peer.set = 0
session.path.set = {session}
directory.default.set = {content}
log.open_file = "log", "/dev/stdout"
log.add_output = "info", "log"
log.add_output = "tracker_debug", "log"
log.add_output = "connection_debug", "log"
load.start = {torrent}
"""


class Rtorrent(Client):
    name = "rtorrent"
    package = "rtorrent"

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("rtorrent") is not None

    @classmethod
    def obstacle(cls, proto: str, family: int, role: str) -> str | None:
        # It announces itself well enough to be found.
        if (proto, family, role) == ("udp", 6, "leecher"):
            return "rTorrent 0.9.8 takes IPv6 peers over UDP for IPv4 ones"
        return None

    def command(self, torrent: Path) -> list[str]:
        session = self.directory / "session"
        session.mkdir()
        rc = self.directory / "rc"
        rc.write_text(RC.format(
            port=PORT, session=session, content=self.content, torrent=torrent))
        return ["rtorrent", "-n", "-o", f"import={rc}"]
