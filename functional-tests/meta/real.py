"""Real clients, with torrents that are public, private, or not known yet but by a magnet link."""

from __future__ import annotations

import hashlib
import http.client
import json
from pathlib import Path
from urllib.parse import quote

import bencode
from aria2 import Aria2
from client import PORT
from libtorrent_client import Libtorrent
from payload import Payload
from rtorrent import Rtorrent
from transmission import Transmission

RPC_PORT = 9091
SESSION = Path(__file__).with_name("session.py")


class Public(Payload):
    """The same kind of file, in a torrent that may be told everybody."""

    def __init__(self, name: str):
        super().__init__(name)
        del self.info["private"]
        self.info_hash = hashlib.sha1(bencode.encode(self.info)).digest()

    def magnet(self, url: str) -> str:
        return f"magnet:?xt=urn:btih:{self.info_hash.hex()}&tr={quote(url, safe='')}"


class MetaLibtorrent(Libtorrent):
    """With options of `session.py`, that its case has set."""

    options: dict = {}

    def command(self, torrent: Path) -> list[str]:
        options = {"port": PORT, "directory": str(self.content), **self.options}
        if "magnet" not in options:
            options["torrent"] = str(torrent)
        return ["/usr/bin/python3", str(SESSION), json.dumps(options)]


class MetaTransmission(Transmission):
    """Magnet links reach it by its RPC, once it runs."""

    options: dict = {}

    def command(self, torrent: Path) -> list[str]:
        argv = super().command(torrent)
        path = self.directory / "settings.json"
        settings = json.loads(path.read_text())
        settings |= {
            "rpc-enabled": True, "rpc-port": RPC_PORT, "rpc-bind-address": "0.0.0.0",
            "rpc-whitelist-enabled": False, "rpc-host-whitelist-enabled": False}
        path.write_text(json.dumps(settings))
        if "magnet" in self.options:
            (self.directory / "watched" / torrent.name).unlink()
        return argv

    def add_magnet(self) -> bool:
        """Whether it has taken the link."""
        if self._rpc("")[0] != 409:
            return False
        request = {"method": "torrent-add", "arguments": {"filename": self.options["magnet"]}}
        session = self._rpc("")[1]["X-Transmission-Session-Id"]
        return self._rpc(json.dumps(request), session)[0] == 200

    def _rpc(self, body: str, session: str = "") -> tuple:
        connection = http.client.HTTPConnection(self.host.addresses[4], RPC_PORT, timeout=10)
        headers = {"X-Transmission-Session-Id": session} if session else {}
        try:
            connection.request("POST", "/transmission/rpc", body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders())
        except OSError:
            return 0, {}
        finally:
            connection.close()


class MetaAria2(Aria2):
    """It talks to peers a while after its first announce only, and thus asks again soon. Its DHT,
    which belongs to its UDP trackers, finds nobody here."""

    options: dict = {}

    def command(self, torrent: Path) -> list[str]:
        program, *rest = super().command(torrent)
        return [program, "--bt-tracker-interval=5", *rest]


class MetaRtorrent(Rtorrent):
    options: dict = {}


CLIENTS = [MetaLibtorrent, MetaTransmission, MetaAria2, MetaRtorrent]
