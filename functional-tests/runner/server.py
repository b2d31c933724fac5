"""trackerd as scenarios start it: on ports of the system's choice, in a directory of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "clients"))

from tracker import NotServing, Trackerd  # noqa: E402

STOP_SECS_MAX = 5.0
CONFIGURATION = "trackerd.conf"


class Refused(Exception):
    """It did not start."""

    def __init__(self, why: str, log: list[str], exit_code: int | None = None):
        super().__init__(why)
        self.log = log
        self.exit_code = exit_code

    def says(self, exit_code: int, part: str) -> bool:
        """Whether it ended so, and this is in what it said."""
        return self.exit_code == exit_code and part in "\n".join(self.log)


class Running(Trackerd):
    """A tracker for scenarios, on 127.0.0.1 and, where there is IPv6, on ::1."""

    def __init__(self, binary: str, directory: Path, workers: int):
        addresses = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
        super().__init__(binary, addresses, 0)
        self.directory = directory
        self._workers = workers
        self._log_seen = 0
        self._endpoints: dict[tuple[str, int], tuple[str, int]] = {}
        # The tracker leaves root behind, and may have to make its fifos here.
        directory.mkdir()
        directory.chmod(0o777)

    def start(self, settings: list[str]) -> None:
        """Starts it, and waits until it serves; Refused when it ends instead."""
        self.write(CONFIGURATION, settings)
        try:
            super().start(self.directory / "run", [])
        except NotServing as error:
            raise Refused(str(error), self.log_tail(20), self.exit_code) from None
        for endpoint in self.ready_line().split():
            scheme, _, address = endpoint.partition("://")
            host, _, port = address.rpartition(":")
            host = host.strip("[]")
            key = (scheme, 6 if ":" in host else 4)
            self._endpoints.setdefault(key, (host, int(port)))

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        return [
            self.binary, "-f", str(self.directory / CONFIGURATION),
            "--workers", str(self._workers)]

    def endpoint(self, layer: str, family: int) -> tuple[str, int]:
        return self._endpoints[layer, family]

    def api_endpoint(self) -> tuple[str, int]:
        found = re.search(r"api: listening on ([0-9.]+):(\d+)", self._log())
        if found is None:
            raise ValueError("no management API: set api.listen 127.0.0.1:0")
        return found[1], int(found[2])

    def write(self, name: str, lines: list[str]) -> None:
        if name == CONFIGURATION:
            lines = [f"listen.tcp_udp {host}" for host in self.hosts] + lines
        new = self.directory / "new"
        new.write_text("".join(f"{line}\n" for line in lines))
        new.chmod(0o644)
        new.rename(self.directory / name)

    def reload(self) -> None:
        self._log_seen = len(self._log())
        os.kill(self.process.pid, signal.SIGHUP)

    def log_since_reload(self) -> str:
        return self._log()[self._log_seen:]

    def trouble(self) -> list[str]:
        """What its log may tell about a failure."""
        if self.exit_code is not None:
            return [f"the tracker ended with exit code {self.exit_code}", *self.log_tail(20)]
        return []

    def stop(self) -> list[str]:
        """Ends it; complaints if it doesn't do so in time and in peace."""
        exit_code = self.exit_code
        if exit_code is None:
            exit_code = self.process.terminate(STOP_SECS_MAX)
        self.kill()
        if exit_code == 0 and "panicked" not in self._log():
            return []
        return [f"the tracker ended with exit code {exit_code}", *self.log_tail(20)]

    def _log(self) -> str:
        return self.process.log.read_text(errors="replace")


def has_ipv6() -> bool:
    """Whether ::1 can be listened on."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False
