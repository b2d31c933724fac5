"""What every BitTorrent client under test has in common.

Each announces to the tracker and to nothing else: DHT, local discovery, peer exchange, uTP and
port forwarding are off.
"""

from pathlib import Path

from network import Host
from process import Process

PORT = 21001


class Client:
    """A client with one torrent on a host of its own. Subclasses say how their program is run."""

    name: str
    package: str

    def __init__(self, directory: Path, host: Host):
        self.directory = directory
        self.host = host
        self.content = directory / "content"
        self.content.mkdir(parents=True)
        self.process: Process | None = None

    @classmethod
    def installed(cls) -> bool:
        raise NotImplementedError

    @classmethod
    def obstacle(cls, proto: str, family: int, role: str) -> str | None:
        """Why this client cannot be a `seeder` or `leecher` that way, whatever the tracker does."""
        return None

    def command(self, torrent: Path) -> list[str]:
        """The program and its arguments; writes whatever configuration they need."""
        raise NotImplementedError

    def start(self, torrent: bytes) -> None:
        """Seeds the torrent when `content` holds the file already, else fetches it to there."""
        path = self.directory / "swarm.torrent"
        path.write_bytes(torrent)
        argv = self.host.command(self.command(path))
        self.process = Process(argv, self.directory, self.directory / "log")

    def peer(self, family: int) -> tuple[str, int]:
        """What a tracker should list it as."""
        return self.host.addresses[family], PORT
