"""What the programs that run tests have in common: options, and how tests are chosen."""

from __future__ import annotations

import argparse
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

TRACKERD = Path(__file__).resolve().parents[2] / "target" / "release" / "trackerd"


def parser(description: str, kind: str = "tests") -> argparse.ArgumentParser:
    """The options that all of them take."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--binary", metavar="PATH", default=str(TRACKERD),
        help=f"the tracker's program (default: {TRACKERD})")
    made.add_argument(
        "--only", metavar="PATTERN", default="",
        help=f"only {kind} whose name matches this regular expression")
    made.add_argument("--list", action="store_true", help=f"print the {kind} and run none")
    made.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return made


def choose(tests: list, options: argparse.Namespace, name: Callable, told: Callable) -> list:
    """The tests that are asked for. Ends the program where there is none, or to list them."""
    chosen = [test for test in tests if re.search(options.only, name(test))]
    if not chosen:
        print(f"nothing matches '{options.only}'")
        sys.exit(1)
    if options.list:
        print("\n".join(told(test) for test in chosen))
        sys.exit(0)
    return chosen


def open_many_files() -> None:
    """As many as the system lets this process have."""
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
