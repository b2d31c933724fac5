"""Plays the tests, each in a process of its own, and tells how they went."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from findings import Findings, Row, table
from scene import AttackedTrackerd, Scene
from tests_of_trackers import Test


@dataclass(frozen=True)
class Programme:
    """Which tracker is tested, and how much."""

    kind: type
    binary: str
    binary_torture: str | None
    is_full: bool
    jobs: int

    def play(self, tests: list[Test], workers: list[int]) -> int:
        """Exit code 0 when every criterion is met."""
        began = time.monotonic()
        rows: list[Row] = []
        skipped = [f"SKIPPED: {test.name}: {why}" for test in tests
                   if (why := self._obstacle(test))]
        cases = [(test, number) for test in tests if not self._obstacle(test)
                 for number in self._numbers(test, workers)]
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            Path(folder).chmod(0o755)
            context = multiprocessing.get_context("fork")
            with concurrent.futures.ProcessPoolExecutor(
                    self.jobs, mp_context=context, initializer=_end_in_peace) as pool:
                # The longest first; told in their order.
                order = sorted(cases, key=lambda case: -case[0].secs)
                running = {case: pool.submit(self._play_one, *case, Path(folder))
                           for case in order}
                for case in cases:
                    rows += running[case].result()
        failed = [row for row in rows if not row.is_met]
        print(table(rows), *skipped, sep="\n")
        if failed:
            print("not met:", table(failed), sep="\n")
        print(f"{self.kind.name}: {len(cases)} tests, {len(rows)} criteria, {len(failed)} not met, "
              f"{len(skipped)} skipped, in {time.monotonic() - began:.0f} s")
        return 1 if failed else 0

    def _numbers(self, test: Test, workers: list[int]) -> list[int]:
        """Of workers, over which it happens."""
        if self.kind is not AttackedTrackerd:
            return [1]
        return workers if self.is_full or not test.is_heavy else workers[-1:]

    def _obstacle(self, test: Test) -> str | None:
        """Why it cannot be tried here."""
        if self.kind is not AttackedTrackerd and not test.is_for_all:
            return "needs a setting of trackerd's"
        if test.needs_mishaps and not self.binary_torture:
            return "needs a build with mishaps (--binary-torture)"
        return test.obstacle() if test.obstacle else None

    def _play_one(self, test: Test, workers: int, folder: Path) -> list[Row]:
        findings = Findings(test.name, str(workers))
        binary = self.binary_torture if test.needs_mishaps else self.binary
        scene = Scene(
            self.kind, binary, folder / f"{test.attack.__name__}-{workers}", findings,
            self.is_full)
        try:
            test.attack(scene)
        except Exception as error:  # Whatever it is, the other tests go on, and this has failed.
            findings.failed(f"{error!r}")
            traceback.print_exc()
        if any(not row.is_met for row in findings.rows) and scene.tracker:
            print(f"{test.name}, {workers} workers, log:", *scene.tracker.log_tail(10),
                  sep="\n  ", file=sys.stderr, flush=True)
        return findings.rows


def _end_in_peace() -> None:
    """Who is told to end kills its tracker first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
