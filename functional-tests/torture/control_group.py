"""Control groups, by which a system grants a program so much memory and no more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# Version 1 has a hierarchy for each kind of resource, version 2 one for all.
V1, V2 = ROOT / "memory", ROOT


class Group:
    """A group with limited memory, for whoever enters it."""

    def __init__(self, name: str, limit_bytes: int):
        self._is_v2 = not V1.is_dir()
        if self._is_v2:
            (V2 / "cgroup.subtree_control").write_text("+memory")
        self._path = (V2 if self._is_v2 else V1) / name
        self._path.mkdir()
        limit = "memory.max" if self._is_v2 else "memory.limit_in_bytes"
        try:
            (self._path / limit).write_text(str(limit_bytes))
        except OSError:
            self.remove()
            raise
        # What goes before a program's command line.
        self.enter = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._path / "cgroup.procs")]

    def killed(self) -> int:
        """How many processes the system has ended for want of memory."""
        name = "memory.events" if self._is_v2 else "memory.oom_control"
        for line in (self._path / name).read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        raise OSError(f"{name} says nothing of processes that were ended")

    def remove(self) -> None:
        """To be called when nobody is in it."""
        self._path.rmdir()


@contextlib.contextmanager
def group(limit_bytes: int):
    """A group that is there for a while."""
    made = Group(f"trackerd-torture-{os.getpid()}-{limit_bytes}", limit_bytes)
    try:
        yield made
    finally:
        made.remove()


def obstacle() -> str | None:
    """Why there can be none here, if so."""
    try:
        with group(64 << 20) as made:
            made.killed()
    except OSError as error:
        return f"no control group can be made: {error}"
    return None
