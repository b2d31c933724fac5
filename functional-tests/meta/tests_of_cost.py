"""What it costs those who do not ask for it."""

from __future__ import annotations

import messages
from scene import CLIENT, OPEN, Scene
from tests_of_asking import udp

BATCH = 1500
WINDOW = 50
ROUNDS_MAX = 80
ROUNDS_MIN = 4
SHARE_MAX = 1.05
KB_MAX = 16
# Addresses in tables of the hash table's library; HTTP and TLS are there without it as well.
IMAGE_KB_MAX = 64


def beside_a_flood_of_wishes(scene: Scene) -> None:
    """With as many torrents passed on as may be, and more asked for all the time, an announce that
    doesn't ask for it costs as much processor time as without all that."""
    up = udp(scene)
    off = scene.tracker([], "tracker.interval 600", usual=False)
    on = scene.tracker([up], *OPEN, "meta.hold 0")
    flood = on.asker(CLIENT)
    flood.flood([scene.torrent() for _ in range(10_000)])
    flood.close()
    scene.findings.at_most("swarms passed on", 128, on.figure("swarms"))
    _compare(scene, "meta on", on, "off", off)


def compiled_in_but_off(scene: Scene) -> None:
    """Against a build without it."""
    without = scene.tracker([], "tracker.interval 600", usual=False, binary="without")
    off = scene.tracker([], "tracker.interval 600", usual=False)
    for tracker in (without, off):
        tracker.asker().udp(scene.torrent(), "/announce")
        tracker.asker().http(scene.torrent(), "/announce")
    grown = off.memory_kb() - without.memory_kb()
    scene.findings.at_most("memory more, KB", KB_MAX, grown)
    image = off.memory_kb(of_image=True) - without.memory_kb(of_image=True)
    scene.findings.at_most("the loader's work on the program more, KB", IMAGE_KB_MAX, image)
    _compare(scene, "with", off, "without", without)
    scene.findings.at_most("memory more after announces, KB", KB_MAX,
                           off.memory_kb() - without.memory_kb())


def _compare(scene: Scene, one_name: str, one, other_name: str, other) -> None:
    """Processor time per announce of one tracker against another's; the least of some turns, since
    whatever else runs here adds to it and never takes from it."""
    costs: dict = {one: [], other: []}
    runs = {tracker: _Batches(scene, tracker) for tracker in costs}
    for turn in range(ROUNDS_MAX):
        for tracker, run in runs.items():
            costs[tracker].append(run.cost())
        share = min(costs[one]) / min(costs[other])
        if turn >= ROUNDS_MIN and share <= SHARE_MAX:
            break
    for run in runs.values():
        run.close()
    scene.findings.at_most(
        f"time for an announce, {one_name} ({1e6 * min(costs[one]):.2f} us) against {other_name} "
        f"({1e6 * min(costs[other]):.2f} us)", SHARE_MAX, share)


class _Batches:
    """Announces by UDP of the same few torrents, many at a time."""

    def __init__(self, scene: Scene, tracker):
        self._tracker = tracker
        self._asker = tracker.asker(CLIENT, 7001)
        connection_id = self._asker.given_id()
        hashes = [scene.torrent() for _ in range(30)]
        self._datagrams = [
            messages.announce(connection_id, 1000 + at, info_hash=hashes[at % 30], port=7001)
            for at in range(BATCH)]
        self.cost()

    def cost(self) -> float:
        """Seconds of processor time for one."""
        sock = self._asker.socket()
        sock.settimeout(5.0)
        before = self._tracker.cpu_secs()
        for at in range(0, BATCH, WINDOW):
            for datagram in self._datagrams[at:at + WINDOW]:
                sock.send(datagram)
            for _ in range(WINDOW):
                sock.recv(4096)
        return (self._tracker.cpu_secs() - before) / BATCH

    def close(self) -> None:
        self._asker.close()
