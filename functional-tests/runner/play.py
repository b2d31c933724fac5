"""Plays scenarios side by side on trackers they share, and tells how they went."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grammar import Scenario
from server import Refused, Running, has_ipv6
from stage import Mismatch, Stage, libtorrent

SLOW_THREADS_MAX = 64


class Run:
    """A scenario over some number of workers."""

    def __init__(self, scenario: Scenario, workers: int):
        self.scenario = scenario
        self.workers = workers

    @property
    def name(self) -> str:
        return f"{self.scenario.name} ({self.workers} worker{'s' if self.workers > 1 else ''})"

    @property
    def tracker(self) -> tuple:
        """Equal for runs that can share a tracker."""
        own = self.scenario.name if self.scenario.has_own_tracker else ""
        return own, self.workers, tuple(self.scenario.settings)


class Shared:
    """A tracker that starts with the first of its runs and ends with the last."""

    def __init__(self, binary: str, directory: Path, runs: int):
        self._binary = binary
        self._directory = directory
        self._runs_left = runs
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._refused: Refused | None = None

    def start(self, run: Run) -> Running:
        """The tracker, started if it is not; Refused when it does not start."""
        with self._lock:
            if self._refused:
                raise self._refused
            if self._running is None:
                running = Running(self._binary, self._directory, run.workers)
                stage = Stage(run.scenario, running, str(run.workers))
                for name, lines in run.scenario.files.items():
                    running.write(name, stage.content(lines))
                try:
                    running.start(stage.content(run.scenario.settings))
                except Refused as refused:
                    self._refused = refused
                    raise
                self._running = running
            return self._running

    def leave(self) -> list[str]:
        """One run less; after the last, complaints about how the tracker ended."""
        with self._lock:
            self._runs_left -= 1
            if self._runs_left or self._running is None:
                return []
            return self._running.stop()

    def kill(self) -> None:
        """Ends it without ado, and for good."""
        with self._lock:
            self._refused = self._refused or Refused("all was ended", [])
            if self._running:
                self._running.kill()


class Programme:
    """All that is to be played."""

    def __init__(
        self, binary: str, scenarios: list[Scenario], without: list[str], verbose: bool,
    ):
        self._binary = binary
        self._without = without
        self._verbose = verbose
        self._scenarios = scenarios
        self._runs = [Run(s, workers) for s in scenarios for workers in s.workers]
        self._shared: dict[tuple, Shared] = {}
        self._lock = threading.Lock()
        self._failed: dict[str, None] = {}
        self._failures = 0
        self._skipped: dict[str, str] = {}
        self._bencoded = 0
        self._ipv6 = has_ipv6()

    def play(self, jobs: int) -> int:
        """Plays everything; the exit code."""
        started = time.monotonic()
        root = Path(tempfile.mkdtemp(prefix="trackerd-scenarios-"))
        root.chmod(0o755)
        try:
            self._prepare(root)
            self._play_all(jobs)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return self._sum_up(time.monotonic() - started)

    def _prepare(self, root: Path) -> None:
        counts: dict[tuple, int] = {}
        for run in self._runs:
            counts[run.tracker] = counts.get(run.tracker, 0) + 1
        for number, (key, count) in enumerate(counts.items()):
            self._shared[key] = Shared(self._binary, root / str(number), count)

    def _play_all(self, jobs: int) -> None:
        slow = [run for run in self._runs if run.scenario.is_slow]
        quick = [run for run in self._runs if not run.scenario.is_slow]
        # Runs of one tracker together, so that not all trackers run at once.
        order = {key: number for number, key in enumerate(self._shared)}
        quick.sort(key=lambda run: order[run.tracker])
        beside = ThreadPoolExecutor(min(max(len(slow), 1), SLOW_THREADS_MAX))
        pool = ThreadPoolExecutor(jobs)
        try:
            futures = [beside.submit(self._play, run) for run in slow]
            futures += [pool.submit(self._play, run) for run in quick]
            for future in futures:
                future.result()
        finally:
            # Of use when the user has had enough: without trackers no scenario lasts.
            for shared in self._shared.values():
                shared.kill()
            for executor in (beside, pool):
                executor.shutdown(cancel_futures=True)

    def _play(self, run: Run) -> None:
        shared = self._shared[run.tracker]
        begun = time.monotonic()
        try:
            outcome = self._outcome(run, shared)
        except Exception:
            outcome = traceback.format_exc().splitlines()
        outcome += shared.leave()
        with self._lock:
            if outcome:
                self._failed[run.scenario.name] = None
                self._failures += 1
                print("\n".join([f"FAIL  {run.name}", *(f"      {line}" for line in outcome)]),
                      flush=True)
            elif self._verbose and run.scenario.name not in self._skipped:
                print(f"ok    {time.monotonic() - begun:5.2f} s  {run.name}", flush=True)

    def _outcome(self, run: Run, shared: Shared) -> list[str]:
        """What went wrong."""
        scenario = run.scenario
        if scenario.needs_ipv6 and not self._ipv6:
            self._skipped[scenario.name] = "this machine has no IPv6"
            return []
        if scenario.feature in self._without:
            self._skipped[scenario.name] = f"built without the feature {scenario.feature}"
            return []
        try:
            server = shared.start(run)
        except Refused as refused:
            return _not_as_expected(refused, scenario.refusal)
        if scenario.refusal:
            return ["it was to be refused, and started"]
        stage = Stage(scenario, server, str(run.workers))
        try:
            stage.play()
        except Mismatch as mismatch:
            return mismatch.report() + server.trouble()
        except OSError as error:
            return [f"{type(error).__name__}: {error}", *server.trouble()]
        finally:
            with self._lock:
                self._bencoded += stage.bencoded
        return []

    def _sum_up(self, took: float) -> int:
        for name, reason in sorted(self._skipped.items()):
            print(f"SKIPPED {name}: {reason}")
        if libtorrent is None:
            print("SKIPPED: reading all answers with libtorrent: no python3-libtorrent")
        readers = "ours and libtorrent" if libtorrent else "ours"
        print(f"{self._bencoded} bencoded answers accepted by strict readers ({readers})")
        print(
            f"{len(self._scenarios)} scenarios, {len(self._runs)} runs over 1, 2 and 4 workers "
            f"in {took:.0f} s: {self._failures} runs of {len(self._failed)} scenarios failed, "
            f"{len(self._skipped)} scenarios skipped")
        return 1 if self._failed else 0


def _not_as_expected(refused: Refused, refusal: tuple[int, str] | None) -> list[str]:
    """What is wrong with a tracker that did not start."""
    if refusal is None:
        return [str(refused), *refused.log]
    if refused.says(*refusal):
        return []
    exit_code, part = refusal
    return [f"expected exit code {exit_code} and: {part}", str(refused), *refused.log]
