"""What happens to trackers by nobody's ill will: reloads, halts, clocks, disks and bugs."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

import bencode
import messages
from scene import PATIENCE_SECS, Scene, eventually

DAY_SECS = 24 * 3600
# The torrent that makes its worker panic, in builds for tests.
PANIC = b"\xdd" * 20
SWARM = 100
BROKEN = [
    ["tracker.interval never"], ["no.such.setting 1"], ["tracker.interval 60", "\0\xff"],
    ["access.whitelist /no/such/file"], ["tracker.interval 99999999999999999999"]]


def reload_storm(scene: Scene) -> None:
    """Signals to reload, with files that are right and files that are broken."""
    signals, pause = scene.size(50, 500), 0.05
    with scene.serving("tracker.interval 1000", "tracker.interval_jitter 0") as tracker:
        with scene.probe("udp,http,kept") as probe:
            for number in range(signals):
                interval = 1000 + number // 2
                if scene.is_trackerd:
                    tracker.configure(
                        BROKEN[number // 2 % len(BROKEN)] if number % 2 else
                        [f"tracker.interval {interval}", "tracker.interval_jitter 0"])
                os.kill(scene.pid, signal.SIGHUP)
                time.sleep(pause)
            if scene.is_trackerd:
                tracker.configure(["tracker.interval 777", "tracker.interval_jitter 0"])
                os.kill(scene.pid, signal.SIGHUP)
                scene.findings.exactly("the last file is in force", True, eventually(
                    lambda: interval_of(scene) == 777, PATIENCE_SECS))
                tracker.configure(BROKEN[0])
                os.kill(scene.pid, signal.SIGHUP)
                time.sleep(0.2)
                scene.findings.exactly("interval after a broken file", 777, interval_of(scene))
        scene.modest()
        scene.unharmed(probe)


def interval_of(scene: Scene) -> int:
    return bencode.decode(scene.page(messages.target(messages.torrent(3)))[1])[b"interval"]


def stopped_for_a_while(scene: Scene) -> None:
    """SIGSTOP, requests meanwhile, SIGCONT: nobody is forgotten, and it isn't taken for hanging."""
    secs = scene.size(4, 60)
    with scene.serving("tracker.hang_secs_max 2") as _, scene.udp() as udp:
        good = fill(udp)
        os.kill(scene.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            number = 0
            while time.monotonic() < began + secs:
                number += 1
                udp.socket.send(messages.announce(good, number, info_hash=messages.torrent(1)))
                time.sleep(0.01)
        finally:
            os.kill(scene.pid, signal.SIGCONT)
        began = time.monotonic()
        scene.findings.exactly("swarms kept", SWARM, swarms(udp, good))
        scene.findings.at_most("until it answers", PATIENCE_SECS, time.monotonic() - began, " s")
        with scene.probe() as probe:
            time.sleep(scene.size(3, 5))
        scene.modest()
        scene.unharmed(probe)


def fill(udp) -> int:
    """A peer in each of some torrents; the connection id."""
    good = udp.connection_id()
    for number in range(SWARM):
        udp.ask(messages.announce(good, udp.serial(), info_hash=messages.torrent(number + 1)))
    return good


def swarms(udp, connection_id: int) -> int:
    """In how many of them is a peer."""
    found = 0
    for start in range(0, SWARM, 50):
        hashes = [messages.torrent(number + 1) for number in range(start, start + 50)]
        answer = udp.ask(messages.scrape(connection_id, udp.serial(), hashes))
        if answer and messages.action(answer) == messages.SCRAPE:
            found += sum(n > 0 for n in struct.unpack_from(">" + "8xI" * 50, answer, 8))
    return found


class Clocks:
    """The clocks of a tracker that is started `through` them."""

    def __init__(self, directory: Path):
        directory.mkdir(mode=0o755, exist_ok=True)
        self._file = directory / "clocks"
        self._file.write_bytes(bytes(16))
        library = directory / "clock.so"
        source = Path(__file__).resolve().parent / "clock.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.through = ["env", f"LD_PRELOAD={library}", f"CLOCK_FILE={self._file}"]

    def set(self, wall: int = 0, monotonic: int = 0) -> None:
        """Seconds ahead of the real ones."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=qq", wall, monotonic))


def no_compiler() -> str | None:
    return None if shutil.which("cc") else "there is no cc, for a library that sets the clock"


def wall_clock_jumps(scene: Scene) -> None:
    """The time of day is set, hither and thither: to the tracker that is nothing."""
    clocks = Clocks(scene.directory)
    now = int(time.time())
    jumps = [3600, -3600, DAY_SECS, -DAY_SECS, -now, -now - 10, 2**31 - now, 2**32 - now,
             100 * 366 * DAY_SECS, 0]
    with scene.serving(through=clocks.through) as _, scene.udp() as udp:
        good = fill(udp)
        kept = []
        with scene.probe("udp,http,kept") as probe:
            for jump in jumps:
                clocks.set(wall=jump)
                time.sleep(0.2)
                scene.page("/stats?mode=everything")
                kept.append(swarms(udp, good))
        scene.findings.exactly(f"fewest swarms kept in {len(jumps)} jumps", SWARM, min(kept))
        scene.modest()
        scene.unharmed(probe)


def old_connection_ids(scene: Scene) -> None:
    """Ids live for two minutes, at most four, and are nothing once they have expired."""
    clocks = Clocks(scene.directory)
    with scene.serving(through=clocks.through) as _, scene.udp() as udp:
        for wave in range(scene.size(2, 20)):
            start = 1000 * wave
            clocks.set(monotonic=start)
            time.sleep(0.1)
            old = udp.connection_id()
            clocks.set(monotonic=start + 115)
            time.sleep(0.1)
            scene.findings.at_least("served after 115 s", 1, int(is_served(udp, old)))
            clocks.set(monotonic=start + 241)
            time.sleep(0.1)
            scene.findings.at_most("served after 241 s", 0, int(is_served(udp, old)))
            scene.findings.at_least("a new one is served", 1, int(
                is_served(udp, udp.connection_id())))
            scene.findings.at_most("the old one replayed is served", 0, int(is_served(udp, old)))


def is_served(udp, connection_id: int) -> bool:
    """Whether an announce is, with that id."""
    request = messages.announce(connection_id, udp.serial(), info_hash=messages.torrent(1))
    return messages.action(udp.ask(request, patience_secs=2.0) or b"") == messages.ANNOUNCE


def long_uptime(scene: Scene) -> None:
    """The monotonic clock passes what seconds, ticks or milliseconds of 31 and 32 bits hold."""
    clocks = Clocks(scene.directory)
    ages = [4096, 65_536, 2_160_000, 4_294_967, 44 * DAY_SECS, 50 * DAY_SECS, 2**31 - 5, 2**31 + 5,
            2**32 - 10]
    with scene.serving(through=clocks.through) as _, scene.udp() as udp:
        served = []
        for age in ages:
            clocks.set(monotonic=age)
            time.sleep(scene.size(3, 20) / 10)
            served.append(swarms(udp, fill(udp)))
        scene.findings.exactly(
            f"fewest swarms served at {len(ages)} ages up to 136 years", SWARM, min(served))
        scene.modest()


def full_disk(scene: Scene) -> None:
    """Nothing can be written, whatever there is to say: logs, status lines, dumps on their way."""
    settings = ["log.level trace", "log.status json", "tracker.interval 60",
                "tracker.interval_jitter 0", "tracker.peer_timeout 64"]
    through = ["sh", "-c", 'exec "$0" "$@" > /dev/full 2>&1']
    with scene.serving(*settings, through=through) as tracker, scene.udp() as udp:
        with scene.probe() as probe:
            for number in range(scene.size(10, 200)):
                if scene.is_trackerd:
                    tracker.configure(BROKEN[0] if number % 2 else settings)
                os.kill(scene.pid, signal.SIGHUP)
                scene.page("/stats?mode=statedump")
                scene.page("/stats?mode=everything")
                udp.ask(messages.connect(udp.serial()))
                time.sleep(0.1)
        scene.modest()
        scene.unharmed(probe)


def panic_in_a_worker(scene: Scene) -> None:
    """It is caught and counted, and everybody is served again."""
    scene.panics_expected = 4
    with scene.serving() as _, scene.udp() as udp:
        with scene.probe("udp") as probe:
            good = udp.connection_id()
            for number in range(1, scene.panics_expected + 1):
                udp.socket.send(messages.announce(good, number, info_hash=PANIC))
                eventually(lambda: scene.panics() == number, PATIENCE_SECS)
                time.sleep(0.3)
        scene.findings.exactly("swarms served afterwards", SWARM, swarms(udp, fill(udp)))
        scene.unharmed(probe)
