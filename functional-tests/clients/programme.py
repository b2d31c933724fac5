"""Which cases there are, playing them side by side, and telling how they went."""

import re
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import network
from cases import (
    MAIN_ADDRESSES, MAIN_PORT, SECURE_PORT, WILDCARD_ADDRESSES, WILDCARD_PORT,
    Case, Ready, Stop, exchanges)
from endpoint import NoAnswer
from stage import Failed, Stage
from tracker import NotServing, Tracker
from transmission import Transmission

LOG_LINES_MAX = 25


class Outcome(NamedTuple):
    """How a case went; the details are for whoever has to find out why."""

    verdict: str
    case: Case
    remark: str
    details: list[str] = []


class Programme:
    """The cases whose names match, for one kind of tracker."""

    def __init__(self, kind: type[Tracker], binary: str, only: re.Pattern):
        self._kind = kind
        self._trackers = [
            kind(binary, MAIN_ADDRESSES, MAIN_PORT, SECURE_PORT),
            kind(binary, WILDCARD_ADDRESSES, WILDCARD_PORT)]
        cases = [*map(Ready, self._trackers), *exchanges(), *map(Stop, self._trackers)]
        self._cases = [case for case in cases if only.search(case.name)]
        self._counts = Counter()

    @property
    def is_empty(self) -> bool:
        return not self._cases

    def show(self) -> None:
        for case in self._cases:
            obstacle = case.obstacle(self._kind)
            print(_line("cannot" if obstacle else "", case, obstacle or ""))

    def skip(self, reason: str) -> int:
        """Says of every case that it was not tried; an exit code."""
        for case in self._cases:
            self._tell(Outcome("SKIPPED", case, f"({reason})"))
        return self._sum_up()

    def play(self, jobs: int, packages_missing: set[str]) -> int:
        """Plays every case and tells how it went; an exit code."""
        cases = [case for case in self._cases if self._is_playable(case, packages_missing)]
        info_hashes = [info_hash for case in cases for info_hash in case.info_hashes]
        directory = network.furnish()
        try:
            for tracker in self._trackers:
                tracker.start(directory / f"tracker-{tracker.port}", info_hashes)
            self._play_all(cases, directory, jobs)
        except NotServing as error:
            print(f"FAIL     {error}", *self._tracker_logs(set()), sep="\n    ")
            self._counts["FAIL"] += len(cases)
        finally:
            for tracker in self._trackers:
                tracker.kill()
        return self._sum_up()

    def _is_playable(self, case: Case, packages_missing: set[str]) -> bool:
        obstacle = case.obstacle(self._kind)
        missing = packages_missing & {client.package for client in case.clients}
        if obstacle:
            self._tell(Outcome("cannot", case, obstacle))
        elif missing:
            reasons = ", ".join(f"package {package} is missing" for package in sorted(missing))
            self._tell(Outcome("SKIPPED", case, f"({reasons})"))
        return not obstacle and not missing

    def _play_all(self, cases: list[Case], directory: Path, jobs: int) -> None:
        last = [case for case in cases if isinstance(case, Stop)]
        # Transmission takes its time: whatever waits for it had better begin early.
        side_by_side = sorted(
            (case for case in cases if case not in last),
            key=lambda case: Transmission not in case.clients)
        with ThreadPoolExecutor(jobs) as pool:
            outcomes = [pool.submit(self._play, case, directory) for case in side_by_side]
            for outcome in as_completed(outcomes):
                self._tell(outcome.result())
        for case in last:
            self._tell(self._play(case, directory))

    def _play(self, case: Case, directory: Path) -> Outcome:
        stage = Stage(directory / f"stage-{self._cases.index(case)}")
        start = time.monotonic()
        try:
            case.run(stage)
        except Exception as error:
            # Whatever went wrong: the other cases have their say, and this one has failed.
            ports = {endpoint.port for endpoint in case.endpoints}
            details = stage.logs(LOG_LINES_MAX) + self._tracker_logs(ports)
            if not isinstance(error, (Failed, NoAnswer)):
                details += traceback.format_exc().splitlines()
            return Outcome("FAIL", case, str(error), details)
        finally:
            stage.clear()
        return Outcome("ok", case, f"{time.monotonic() - start:5.1f} s")

    def _tracker_logs(self, ports: set[int]) -> list[str]:
        lines = []
        for tracker in self._trackers:
            if ports and tracker.port not in ports:
                continue
            lines.append(f"log of {tracker.name} at {', '.join(tracker.hosts)}:")
            lines += tracker.log_tail(LOG_LINES_MAX)
            if tracker.exit_code is not None:
                lines.append(f"{tracker.name} ended with exit code {tracker.exit_code}")
        return lines

    def _tell(self, outcome: Outcome) -> None:
        self._counts[outcome.verdict] += 1
        line = _line(outcome.verdict, outcome.case, outcome.remark)
        print(line, *outcome.details, sep="\n    ", flush=True)

    def _sum_up(self) -> int:
        counts = self._counts
        if counts["cannot"]:
            print(f"{counts['cannot']} cases are beyond a client or the tracker")
        print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['SKIPPED']} skipped")
        return 1 if counts["FAIL"] else 0


def _line(verdict: str, case: Case, remark: str) -> str:
    return f"{verdict:9}{case.name:60}{remark}".rstrip()
