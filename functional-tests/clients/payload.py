"""The file that is exchanged, and the torrent that describes it."""

import hashlib
import random
from pathlib import Path

import bencode

SIZE = 1 << 20
PIECE_SIZE = 1 << 16


class Payload:
    """One file of reproducible noise, different for each name, so that swarms never mix."""

    def __init__(self, name: str):
        self.name = name
        data = self._noise()
        self.digest = hashlib.sha1(data).digest()
        pieces = (data[at:at + PIECE_SIZE] for at in range(0, SIZE, PIECE_SIZE))
        self.info = {
            "length": SIZE,
            "name": self.digest.hex(),
            "piece length": PIECE_SIZE,
            "pieces": b"".join(hashlib.sha1(piece).digest() for piece in pieces),
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
