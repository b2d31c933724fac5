"""Transmission's daemon (checked with 3.00)."""

import json
import shutil
from pathlib import Path

from client import PORT, Client


class Transmission(Client):
    name = "transmission"
    package = "transmission-daemon"

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("transmission-daemon") is not None

    @classmethod
    def obstacle(cls, proto: str, family: int, role: str) -> str | None:
        if (proto, family) == ("udp", 6):
            return "Transmission 3.00 speaks UDP over IPv4 only"
        return None

    def command(self, torrent: Path) -> list[str]:
        watched = self.directory / "watched"
        watched.mkdir()
        torrent.rename(watched / torrent.name)
        settings = {
            "peer-port": PORT,
            "rpc-enabled": False,
            "dht-enabled": False,
            "lpd-enabled": False,
            "pex-enabled": False,
            "utp-enabled": False,
            "port-forwarding-enabled": False,
            "download-dir": str(self.content),
            "rename-partial-files": False,
            "watch-dir": str(watched),
            "watch-dir-enabled": True,
        }
        (self.directory / "settings.json").write_text(json.dumps(settings))
        return ["transmission-daemon", "-f", "-g", str(self.directory), "--log-debug"]
