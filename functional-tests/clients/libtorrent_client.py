"""libtorrent (checked with 2.0.8), the engine of qBittorrent and Deluge, run from Python."""

import subprocess
from pathlib import Path

from client import PORT, Client

# Debian's bindings belong to Debian's Python.
PYTHON = "/usr/bin/python3"
SESSION = Path(__file__).with_name("libtorrent_session.py")


class Libtorrent(Client):
    name = "libtorrent"
    package = "python3-libtorrent"

    @classmethod
    def installed(cls) -> bool:
        trial = [PYTHON, "-c", "import libtorrent"]
        return subprocess.run(trial, stderr=subprocess.DEVNULL, check=False).returncode == 0

    def command(self, torrent: Path) -> list[str]:
        return [PYTHON, str(SESSION), str(torrent), str(self.content), str(PORT)]
