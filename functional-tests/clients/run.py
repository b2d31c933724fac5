#!/usr/bin/python3
"""Real BitTorrent clients exchange a file purely through the tracker; see ../README.md."""

import argparse
import os
import re
import shutil
import sys

import network
import suite
from cases import CLIENTS
from programme import Programme
from tracker import Opentracker, Trackerd

TRACKERS = {kind.name: kind for kind in (Trackerd, Opentracker)}


def main() -> int:
    options = _options()
    if options.need:
        print(*_packages_missing())
        return 0
    binary = _binary(options)
    if binary is None:
        print(f"{options.tracker} is missing: build or install it, or name it with --binary")
        return 1
    programme = Programme(TRACKERS[options.tracker], binary, _pattern(options.only))
    if programme.is_empty:
        print(f"no case matches '{options.only}'")
        return 1
    if options.list:
        programme.show()
        return 0
    if options.inside:
        return programme.play(options.jobs, set(_packages_missing()))
    return _run_apart(programme)


def _options() -> argparse.Namespace:
    parser = suite.parser(__doc__, "cases")
    parser.set_defaults(binary=None)
    parser.add_argument(
        "--tracker", choices=TRACKERS, default=Trackerd.name,
        help="opentracker tells a fault of the clients from a fault of trackerd")
    parser.add_argument(
        "--jobs", type=int, default=8, metavar="N", help="cases side by side (default: 8)")
    parser.add_argument("--need", action="store_true", help="print the missing Debian packages")
    return parser.parse_args()


def _packages_missing() -> list[str]:
    return [needed.package for needed in [network, *CLIENTS] if not needed.installed()]


def _binary(options: argparse.Namespace) -> str | None:
    fallback = str(suite.TRACKERD) if options.tracker == Trackerd.name else options.tracker
    found = shutil.which(options.binary or fallback)
    return found and os.path.abspath(found)


def _pattern(only: str) -> re.Pattern:
    # Names are padded to line up; nobody should have to count the blanks, or find an arrow.
    return re.compile(re.sub(r" +", " +", only.replace("->", "→")))


def _run_apart(programme: Programme) -> int:
    """Starts this program again in a network of its own; without one nothing can be tried."""
    if not network.installed():
        return programme.skip(f"package {network.package} is missing")
    try:
        return network.run_apart([sys.executable, *sys.argv, "--inside"])
    except network.NoNamespace as error:
        return programme.skip(f"no network namespace: {error}")


if __name__ == "__main__":
    sys.exit(main())
