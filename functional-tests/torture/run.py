#!/usr/bin/python3
"""What strangers can do to a tracker, done to one: see ../README.md."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys

import half_open
from battery import Programme
from scene import TRACKERS
from tests_of_trackers import TESTS

import network
import suite


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tests = suite.choose(TESTS, options, lambda test: test.name, lambda test: test.name)
    fallback = str(suite.TRACKERD) if options.tracker == "trackerd" else options.tracker
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
    suite.open_many_files()
    programme = Programme(
        TRACKERS[options.tracker], os.path.abspath(binary),
        options.binary_torture and os.path.abspath(options.binary_torture), options.full,
        options.jobs or (1 if options.full else 6))
    return programme.play(tests, [options.workers] if options.workers else [1, 2])


def _options() -> argparse.Namespace:
    parser = suite.parser(__doc__)
    parser.set_defaults(binary=None)
    parser.add_argument(
        "--binary-torture", metavar="PATH",
        help="trackerd built with the feature torture, in which a worker can be made to panic")
    parser.add_argument(
        "--tracker", choices=TRACKERS, default="trackerd",
        help="opentracker, as Debian has it, to compare with")
    parser.add_argument(
        "--full", action="store_true", help="all of everything: some minutes instead of one")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="over N workers instead of 1 and 2")
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="tests side by side (default: 6, with --full 1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
