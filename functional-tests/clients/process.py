"""Programs under test: started in a group of their own, logged to a file, ended for sure."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

# A fixed environment: no proxy, locale or configuration of the user's may play a part.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINE_LETTERS_MAX = 200


class Process:
    """A running program with its output in `log`."""

    def __init__(self, argv: list[str], directory: Path, log: Path):
        self.log = log
        environment = {"PATH": PATH, "HOME": str(directory), "LC_ALL": "C.UTF-8"}
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                argv, cwd=directory, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when one ended it."""
        return self._child.poll()

    @property
    def pid(self) -> int:
        return self._child.pid

    def hang_up(self) -> None:
        """Sends SIGHUP, upon which trackers read their files again."""
        self._child.send_signal(signal.SIGHUP)

    def terminate(self, secs_max: float) -> int | None:
        """Asks it to end; the exit code, or None when it has not ended in time."""
        self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(secs_max)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Ends it and all it started."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait()

    def log_tail(self, lines_max: int) -> list[str]:
        """The end of its output, fit for a terminal."""
        lines = self.log.read_text(errors="replace").rstrip("\n").split("\n")
        return [
            "".join(letter if letter.isprintable() else "." for letter in line[:LINE_LETTERS_MAX])
            for line in lines[-lines_max:]]
