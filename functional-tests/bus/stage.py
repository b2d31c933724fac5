"""Where tests of many nodes play: in a network of their own, with the program that is tested."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients"))

import network  # noqa: E402
from node import Node  # noqa: E402

TRACKERD = Path(__file__).resolve().parents[2] / "target" / "release" / "trackerd"


def arguments(about: str | None) -> argparse.ArgumentParser:
    """What can be said to any of them."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--binary", metavar="PATH", default=str(TRACKERD),
        help=f"the tracker's program (default: {TRACKERD})")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser


def enter(what: str, options: argparse.Namespace, needs: tuple = ()) -> Path:
    """An empty directory in the network. Outside it the program ends with what it comes to inside,
    or says that it was skipped."""
    binary = shutil.which(options.binary)
    if binary is None:
        sys.exit("trackerd is missing: build it, or name it with --binary")
    for needed in (network, *needs):
        if not needed.installed():
            print(f"SKIPPED: {what}: package {needed.package} is missing")
            sys.exit(0)
    if not options.inside:
        try:
            sys.exit(network.run_apart([sys.executable, *sys.argv, "--inside"]))
        except network.NoNamespace as error:
            print(f"SKIPPED: {what}: no network namespace: {error}")
            sys.exit(0)
    Node.binary = os.path.abspath(binary)
    return network.furnish()
