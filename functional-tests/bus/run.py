#!/usr/bin/python3
"""Three nodes, a Redis server and what may befall them; see ../README.md."""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

import stage  # before the others: it tells where they are
from server import Server
from tests_of_the_bus import NEEDS, TESTS, Scene


def main() -> int:
    options = _options()
    tests = [test for test in TESTS if re.search(options.only, test.__name__)]
    if options.list:
        for test in tests:
            print(f"{test.__name__}: {test.__doc__}")
        return 0
    if not tests:
        print(f"no test matches '{options.only}'")
        return 1
    return _play(tests, stage.enter("the tests of the bus", options, (Server,)), options)


def _play(tests: list, directory: Path, options: argparse.Namespace) -> int:
    failed = skipped = 0
    for test in tests:
        needed = NEEDS.get(test)
        if needed and not needed.installed():
            print(f"SKIPPED  {test.__doc__}: package {needed.package} is missing", flush=True)
            skipped += 1
            continue
        began = time.monotonic()
        scene = Scene(directory / test.__name__, options.away)
        try:
            said = test(scene)
            print(f"passed   {test.__doc__}: {said} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED   {test.__doc__}: {type(error).__name__}: {error}", flush=True)
            print("\n".join(f"    {line}" for line in scene.logs()), flush=True)
        finally:
            scene.clear()
    print(f"{len(tests) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = stage.arguments(__doc__)
    parser.add_argument(
        "--only", metavar="PATTERN", default="",
        help="only tests whose name matches a regular expression")
    parser.add_argument(
        "--away", metavar="SECS", type=float, default=12,
        help="how long a node stands still (default: 12)")
    parser.add_argument("--list", action="store_true", help="print the tests and run none")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
