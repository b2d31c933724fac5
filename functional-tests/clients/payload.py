"""The file that is exchanged, and the torrent that describes it."""

import hashlib
import random
from pathlib import Path

import bencode

SIZE = 1 << 20


class Payload:
    """One file of reproducible noise, different for each name, so that swarms never mix."""

    def __init__(self, name: str):
        self.name = name
        data = self._noise()
        self.digest = hashlib.sha1(data).digest()
        self.info = {
            "length": SIZE,
            "name": self.digest.hex(),
            # One piece: aria2 tells of several new ones by a second bitfield, upon which
            # rTorrent hangs up.
            "piece length": SIZE,
            "pieces": self.digest,
            # BEP 27: peers come from the tracker and from nowhere else.
            "private": 1,
        }
        self.info_hash = hashlib.sha1(bencode.encode(self.info)).digest()

    def torrent(self, announce_urls: list[str]) -> bytes:
        """A torrent file; the URLs are no part of what the info-hash is taken over."""
        tiers = [[url] for url in announce_urls]
        return bencode.encode(
            {"announce": announce_urls[0], "announce-list": tiers, "info": self.info})

    def put_into(self, directory: Path) -> None:
        (directory / self.info["name"]).write_bytes(self._noise())

    def is_in(self, directory: Path) -> bool:
        """Whether the file is there, whole and right."""
        try:
            data = (directory / self.info["name"]).read_bytes()
        except FileNotFoundError:
            return False
        return hashlib.sha1(data).digest() == self.digest

    def _noise(self) -> bytes:
        return random.Random(self.name).randbytes(SIZE)
