#!/usr/bin/python3
"""Plays the scenarios against the real program; see ../README.md."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "clients"))

import suite  # noqa: E402
from grammar import BadScenario, load
from play import Programme
from stage import check_lines

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE.parent / "scenarios"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        scenarios = [load(path, SCENARIOS) for path in sorted(SCENARIOS.rglob("*.txt"))]
    except BadScenario as error:
        print(error)
        return 1
    complaints = [complaint for scenario in scenarios for complaint in check_lines(scenario)]
    if complaints:
        print("\n".join(complaints))
        return 1
    chosen = suite.choose(
        scenarios, options, lambda one: one.name, lambda one: f"{one.name}: {one.title}")
    if options.workers:
        for scenario in chosen:
            scenario.workers = (options.workers,)
    if not Path(options.binary).is_file():
        print(f"{options.binary} is missing: build it, or name another with --binary")
        return 1
    binary = str(Path(options.binary).resolve())
    return Programme(binary, chosen, options.without, options.verbose).play(options.jobs)


def _options() -> argparse.Namespace:
    parser = suite.parser(__doc__, "scenarios")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="over N workers instead of 1, 2 and 4")
    parser.add_argument(
        "--without", action="append", default=[], metavar="FEATURE",
        help="the program was built without this feature; skip what needs it")
    parser.add_argument("--verbose", "-v", action="store_true", help="name what went well, too")
    parser.add_argument(
        "--jobs", type=int, default=4, metavar="N", help="scenarios side by side (default: 4)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
