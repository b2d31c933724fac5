"""The trackers the clients are pointed at: trackerd, or opentracker to compare with."""

from __future__ import annotations

import os
import pwd
import socket
import time
from pathlib import Path

from process import Process

READY_SECS_MAX = 10.0
STOP_SECS_MAX = 2.0
POLL_SECS = 0.02

CERTIFICATES = Path(__file__).resolve().parents[2] / "tests" / "tls"


class NotServing(Exception):
    """The tracker ended, or was not ready in time."""


class Tracker:
    """A tracker serving UDP and TCP on one port of every given address."""

    name: str
    families = (4, 6)
    has_https = False

    def __init__(
        self, binary: str, addresses: list[str], port: int, secure_port: int | None = None
    ):
        self.binary = binary
        self.addresses = addresses
        self.port = port
        self.secure_port = secure_port
        self.process: Process | None = None

    def start(self, directory: Path, info_hashes: list[bytes]) -> None:
        """Starts it, for those torrents at least, and waits until it serves."""
        directory.mkdir()
        self.process = Process(
            self.command(directory, info_hashes), directory, directory / "log")
        deadline = time.monotonic() + READY_SECS_MAX
        while not self.serves():
            if self.process.exit_code is not None:
                raise NotServing(f"{self.name} ended with exit code {self.process.exit_code}")
            if time.monotonic() > deadline:
                raise NotServing(f"{self.name} was not ready within {READY_SECS_MAX:.0f} s")
            time.sleep(POLL_SECS)

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        """The program and its arguments; writes whatever configuration they need."""
        raise NotImplementedError

    def serves(self) -> bool:
        raise NotImplementedError

    @property
    def exit_code(self) -> int | None:
        return self.process.exit_code if self.process else None

    def kill(self) -> None:
        if self.process:
            self.process.kill()

    def log_tail(self, lines_max: int) -> list[str]:
        return self.process.log_tail(lines_max) if self.process else []

    @property
    def hosts(self) -> list[str]:
        """`ADDRESS:PORT` of all it was told to listen on."""
        return [_host(address, self.port) for address in self.addresses]

    @property
    def secure_hosts(self) -> list[str]:
        """The same for HTTPS."""
        if self.secure_port is None:
            return []
        return [_host(address, self.secure_port) for address in self.addresses]


def _host(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Trackerd(Tracker):
    name = "trackerd"
    has_https = True

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        configuration = directory / "trackerd.conf"
        lines = [f"listen.tcp_udp {host}" for host in self.hosts]
        if self.secure_hosts:
            lines += [f"listen.https {host}" for host in self.secure_hosts]
            lines += [f"tls.certificate {CERTIFICATES}/one.pem", f"tls.key {CERTIFICATES}/one.key"]
        configuration.write_text("\n".join(lines) + "\n")
        return [self.binary, "-f", str(configuration)]

    def serves(self) -> bool:
        return self.ready_line() is not None

    def ready_line(self) -> str | None:
        """The endpoints it says it serves, once it does."""
        lines = self.process.log.read_text(errors="replace").splitlines(keepends=True)
        for line in lines:
            if line.startswith("ready: ") and line.endswith("\n"):
                return line.removeprefix("ready: ").rstrip("\n")
        return None


class Opentracker(Tracker):
    """Debian's build: IPv4 only, serves the torrents of a list only, UDP from any address."""

    name = "opentracker"
    families = (4,)

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        # As root it changes its root to the directory, and its user to nobody.
        is_root = os.geteuid() == 0
        whitelist = directory / "whitelist"
        whitelist.write_text("".join(f"{info_hash.hex()}\n" for info_hash in info_hashes))
        argv = [self.binary, "-d", str(directory), "-u", pwd.getpwnam("nobody").pw_name]
        argv += ["-w", "/whitelist" if is_root else str(whitelist)]
        for address in self.addresses:
            if ":" not in address:
                argv += ["-i", address, "-p", str(self.port), "-P", str(self.port)]
        return argv

    def serves(self) -> bool:
        for address in self.addresses:
            if ":" in address:
                continue
            try:
                socket.create_connection((address, self.port), timeout=1).close()
            except OSError:
                return False
        return True
