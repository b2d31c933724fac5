"""aria2 (checked with 1.36.0)."""

import shutil
from pathlib import Path

from client import PORT, Client


class Aria2(Client):
    name = "aria2"
    package = "aria2"

    @classmethod
    def installed(cls) -> bool:
        return shutil.which("aria2c") is not None

    @classmethod
    def obstacle(cls, proto: str, family: int, role: str) -> str | None:
        if (proto, family) == ("udp", 6):
            return "aria2 speaks UDP over IPv4 only"
        return None

    def command(self, torrent: Path) -> list[str]:
        return [
            "aria2c",
            "--no-conf",
            "--check-certificate=false",
            # Its UDP tracker client lives in its DHT. The torrent is private, so that the DHT
            # is never asked for peers.
            "--enable-dht=true",
            "--enable-dht6=false",
            f"--dht-listen-port={PORT}",
            f"--dht-file-path={self.directory / 'dht.dat'}",
            "--bt-enable-lpd=false",
            "--enable-peer-exchange=false",
            f"--listen-port={PORT}",
            "--seed-ratio=0.0",
            "--check-integrity=true",
            "--allow-overwrite=true",
            "--file-allocation=none",
            "--disk-cache=0",
            f"--dir={self.content}",
            "--console-log-level=info",
            "--show-console-readout=false",
            "--summary-interval=0",
            "--enable-color=false",
            str(torrent),
        ]
