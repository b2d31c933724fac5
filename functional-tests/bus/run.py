#!/usr/bin/python3
"""Three nodes, a Redis server and what may befall them; see ../README.md."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients"))

import network  # noqa: E402
from node import Node  # noqa: E402
from server import Server  # noqa: E402
from tests_of_the_bus import NEEDS, TESTS, Scene  # noqa: E402

TRACKERD = Path(__file__).resolve().parents[2] / "target" / "release" / "trackerd"


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
    binary = shutil.which(options.binary)
    if binary is None:
        print("trackerd is missing: build it, or name it with --binary")
        return 1
    for needed in (network, Server):
        if not needed.installed():
            print(f"SKIPPED: the tests of the bus: package {needed.package} is missing")
            return 0
    if not options.inside:
        try:
            return network.run_apart([sys.executable, *sys.argv, "--inside"])
        except network.NoNamespace as error:
            print(f"SKIPPED: the tests of the bus: no network namespace: {error}")
            return 0
    Node.binary = os.path.abspath(binary)
    return _play(tests, network.furnish(), options)


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--binary", metavar="PATH", default=str(TRACKERD),
        help=f"the tracker's program (default: {TRACKERD})")
    parser.add_argument(
        "--only", metavar="PATTERN", default="",
        help="only tests whose name matches a regular expression")
    parser.add_argument(
        "--away", metavar="SECS", type=float, default=12,
        help="how long a node stands still (default: 12)")
    parser.add_argument("--list", action="store_true", help="print the tests and run none")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
