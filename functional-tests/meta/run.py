#!/usr/bin/python3
"""The meta-tracker among other trackers, peers and nodes, none of them real: see ../README.md."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from scene import Farm, Missed, Scene

import network
import real
import suite
import tests_of_asking as asking
import tests_of_cost as cost
import tests_of_finding as finding
import tests_of_privacy as privacy
from findings import Row, table

JOBS = 7


@dataclass(frozen=True)
class Test:
    """What is done, and what it takes besides trackerd."""

    name: str
    make: object
    clients: tuple = ()
    needs: tuple = ()
    # Measures processors, and has them for itself.
    is_alone: bool = False


ALL = tuple(real.CLIENTS)
LIBTORRENT = (real.MetaLibtorrent,)
OPENTRACKER = ("opentracker",)
# The longest first.
TESTS = [
    Test("stalled upstreams delay no answer", asking.no_wait_for_the_stalled, is_alone=True),
    Test("others don't notice a flood of wishes", cost.beside_a_flood_of_wishes, is_alone=True),
    Test("built in but off, it costs nothing", cost.compiled_in_but_off, needs=("without",),
         is_alone=True),
    Test("a file by way of another tracker", finding.another_tracker, ALL, OPENTRACKER),
    Test("a file by way of peer exchange", finding.peer_exchange, LIBTORRENT, OPENTRACKER),
    Test("what real clients prove", privacy.matrix, ALL),
    Test("every defect of upstreams", asking.every_defect, needs=("openssl",)),
    Test("a connection id is refused", asking.a_connection_id_is_refused),
    Test("a file by way of the hash table", finding.the_hash_table, LIBTORRENT),
    Test("clients are announced to the hash table", finding.told_to_the_hash_table, LIBTORRENT),
    Test("the hash table is only asked", finding.only_looked_up, LIBTORRENT),
    Test("nothing is told of what isn't public", privacy.only_what_is_proven),
    Test("peers tell of others", finding.peers_tell_of_others),
    Test("10 000 torrents of one client", asking.one_client_asks_for_everything),
    Test("opentracker is understood", asking.opentracker_is_understood, (), OPENTRACKER),
    Test("no loops", asking.no_loops),
    Test("strangers get the local swarm", asking.strangers_get_what_is_here),
    Test("stopped goes where started went", asking.stopped_goes_where_started_went),
    Test("all upstreams die", asking.all_upstreams_die),
    Test("forged datagrams", asking.forged_datagrams),
    Test("IPv6 clients are not announced", asking.six_is_not_announced),
    Test("private places are not asked", asking.private_places_are_not_asked),
    Test("paused is not passed on", asking.paused_is_not_passed_on),
    Test("one datagram each", asking.one_datagram_each),
    Test("scrapes tell the largest counts", asking.scrapes_tell_the_largest_counts),
    Test("health is kept over a restart", asking.health_is_kept),
    Test("lists are read again", asking.lists_are_read_again),
    Test("a door of its own", asking.a_door_of_its_own),
    Test("chosen by the ratio of successes", asking.the_ratio_rule),
    Test("never the first to publish", asking.never_the_first),
]


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tests = suite.choose(TESTS, options, lambda test: test.name, lambda test: test.name)
    binaries = _binaries(options)
    if "trackerd" not in binaries:
        print("trackerd is missing: build it, or name it with --binary")
        return 1
    if options.inside:
        return _play(tests, binaries, options.jobs)
    why = None if network.installed() else f"package {network.package} is missing"
    if not why:
        try:
            return network.run_apart([sys.executable, *sys.argv, "--inside"])
        except network.NoNamespace as error:
            why = f"no network namespace: {error}"
    # Nothing may leave: without a network of their own they are not made at all.
    print(*(f"SKIPPED: {test.name}: {why}" for test in tests), sep="\n")
    return 0


def _options() -> argparse.Namespace:
    parser = suite.parser(__doc__)
    parser.add_argument(
        "--binary-without", metavar="PATH", help="one that was built without the meta-tracker")
    parser.add_argument(
        "--jobs", type=int, metavar="N", default=JOBS,
        help=f"tests side by side (default: {JOBS})")
    return parser.parse_args()


def _binaries(options: argparse.Namespace) -> dict[str, str]:
    wanted = {
        "trackerd": options.binary, "without": options.binary_without,
        "opentracker": "opentracker", "openssl": "openssl"}
    found = {name: shutil.which(path) for name, path in wanted.items() if path}
    return {name: os.path.abspath(path) for name, path in found.items() if path}


def _play(tests: list[Test], binaries: dict, jobs: int) -> int:
    """Exit code 0 when every criterion is met."""
    began = time.monotonic()
    suite.open_many_files()
    directory = network.furnish((network.LAN, network.WAN))
    directory.chmod(0o755)
    obstacles = {test: _obstacle(test, binaries) for test in tests}
    playable = [test for test in tests if not obstacles[test]]
    needs_farm = any(real.MetaLibtorrent in test.clients for test in playable)
    farm = Farm(directory) if needs_farm else None
    rows: dict[Test, list[Row]] = {}
    try:
        for test in playable:
            if test.is_alone:
                rows[test] = _play_one(test, directory, binaries, farm)
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            running = {test: pool.submit(_play_one, test, directory, binaries, farm)
                       for test in playable if not test.is_alone}
            rows |= {test: made.result() for test, made in running.items()}
    finally:
        if farm:
            farm.close()
    return _tell(rows, obstacles, time.monotonic() - began)


def _obstacle(test: Test, binaries: dict) -> str | None:
    """Why it can't be made here."""
    missing = [client.package for client in test.clients if not client.installed()]
    missing += [need for need in test.needs if need not in binaries]
    if "without" in missing:
        return "needs a build without the meta-tracker (--binary-without)"
    return f"missing: {', '.join(missing)}" if missing else None


def _play_one(test: Test, directory: Path, binaries: dict, farm: Farm | None) -> list[Row]:
    began = time.monotonic()
    scene = Scene(test.name, directory / test.make.__name__, binaries, farm)
    with scene:
        try:
            test.make(scene)
        except Exception as error:  # Whatever it is, the other tests go on, and this has failed.
            scene.findings.failed(str(error) if isinstance(error, Missed) else repr(error))
            if not isinstance(error, Missed):
                traceback.print_exc()
        for tracker in scene.trackers:
            if tracker.exit_code not in (None, 0, -9):
                scene.findings.failed(f"{tracker.name} ended with {tracker.exit_code}")
            if "panicked" in tracker.process.log.read_text(errors="replace"):
                scene.findings.failed("a thread panicked")
        if any(not row.is_met for row in scene.findings.rows):
            print(f"{test.name}:", *scene.logs(), sep="\n  ", file=sys.stderr, flush=True)
    rows = scene.findings.rows
    for row in rows:
        row.workers = f"{time.monotonic() - began:.0f} s"
    return rows


def _tell(rows: dict[Test, list[Row]], obstacles: dict, secs: float) -> int:
    skipped = [f"SKIPPED: {test.name}: {why}" for test, why in obstacles.items() if why]
    criteria = [row for made in rows.values() for row in made]
    failures = sum(not row.is_met for row in criteria)
    print(table(criteria).replace("workers", "took   ", 1), *skipped, sep="\n")
    print(f"{len(rows)} tests, {len(criteria)} criteria, {failures} not met, "
          f"{len(skipped)} skipped, in {secs:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
