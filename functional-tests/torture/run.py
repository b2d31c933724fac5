#!/usr/bin/python3
"""What strangers can do to a tracker, done to one: see ../README.md."""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import half_open
from battery import Programme
from scene import TRACKERS
from tests_of_trackers import TESTS

import network

TRACKERD = Path(__file__).resolve().parents[2] / "target" / "release" / "trackerd"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tests = [test for test in TESTS if re.search(options.only, test.name)]
    if options.list:
        print("\n".join(test.name for test in tests))
        return 0
    if not tests:
        print(f"no test matches '{options.only}'")
        return 1
    fallback = str(TRACKERD) if options.tracker == "trackerd" else options.tracker
    binary = shutil.which(options.binary or fallback)
    if binary is None:
        print(f"{options.tracker} is missing: build or install it, or name it with --binary")
        return 1
    if not options.inside and network.installed():
        try:
            return network.run_apart([sys.executable, *sys.argv, "--inside"])
        except network.NoNamespace as error:
            print(f"without a network of its own: {error}")
    if options.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.environ[half_open.APART] = "yes"
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    programme = Programme(
        TRACKERS[options.tracker], os.path.abspath(binary),
        options.binary_torture and os.path.abspath(options.binary_torture), options.full,
        options.jobs or (1 if options.full else 6))
    return programme.play(tests, [options.workers] if options.workers else [1, 2])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--binary", metavar="PATH", help=f"the tracker's program (default: {TRACKERD})")
    parser.add_argument(
        "--binary-torture", metavar="PATH",
        help="trackerd built with the feature torture, in which a worker can be made to panic")
    parser.add_argument(
        "--tracker", choices=TRACKERS, default="trackerd",
        help="opentracker, as Debian has it, to compare with")
    parser.add_argument(
        "--full", action="store_true", help="all of everything: some minutes instead of one")
    parser.add_argument(
        "--only", metavar="PATTERN", default="",
        help="only tests whose name matches a regular expression")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="over N workers instead of 1 and 2")
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="tests side by side (default: 6, with --full 1)")
    parser.add_argument("--list", action="store_true", help="print the names of the tests")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
