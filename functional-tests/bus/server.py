"""Redis servers of the tests' own, alone or as a cluster, and a word with them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

from process import Process

READY_SECS_MAX = 15.0
POLL_SECS = 0.02


class Server:
    """A Redis server that keeps nothing on disk. It can be killed and started anew."""

    package = "redis-server"
    program = "redis-server"

    def __init__(self, directory: Path, address: str, port: int = 6379, options: tuple = ()):
        self.directory, self.address, self.port = directory, address, port
        self.options = options
        self.process: Process | None = None
        directory.mkdir()
        self.start()

    @classmethod
    def installed(cls) -> bool:
        return shutil.which(cls.program) is not None

    @property
    def url(self) -> str:
        return f"redis://{self.address}:{self.port}"

    def start(self) -> None:
        argv = [
            self.program, "--bind", self.address, "--port", str(self.port), "--save", "",
            "--appendonly", "no", "--protected-mode", "no", "--dir", str(self.directory),
            *self.options]
        self.process = Process(argv, self.directory, self.directory / "log")
        deadline = time.monotonic() + READY_SECS_MAX
        while True:
            try:
                self.ask("PING")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECS)

    def kill(self) -> None:
        self.process.kill()

    def ask(self, *words: str | bytes | int):
        """What it answers to a command; an error is raised."""
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        request = b"*%d\r\n" % len(words)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        with socket.create_connection((self.address, self.port), timeout=5) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                return _read(answer)


class Cluster:
    """Three servers that are one."""

    def __init__(self, directory: Path, address: str):
        directory.mkdir()
        self.servers = [
            Server(directory / str(port), address, port, (
                "--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{port}",
                "--cluster-node-timeout", "2000"))
            for port in (7001, 7002, 7003)]
        places = [f"{server.address}:{server.port}" for server in self.servers]
        subprocess.run(
            ["redis-cli", "--cluster", "create", *places, "--cluster-yes"],
            check=True, capture_output=True, timeout=60)
        deadline = time.monotonic() + READY_SECS_MAX
        while not all(b"cluster_state:ok" in s.ask("CLUSTER", "INFO") for s in self.servers):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster never came to be")
            time.sleep(POLL_SECS)

    @property
    def url(self) -> str:
        return self.servers[0].url

    def kill(self) -> None:
        for server in self.servers:
            server.kill()


def _read(answer):
    line = answer.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server hung up")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RuntimeError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else answer.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_read(answer) for _ in range(int(rest))]
    return rest
