"""A tracker to be attacked: its process looked at from outside, clients of it, and the
well-behaved client that must not notice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "clients"))

from tracker import Opentracker, Trackerd  # noqa: E402

import messages  # noqa: E402
from findings import Findings  # noqa: E402

HOST = "127.0.0.1"
HOST6 = "::1"
# Below those that the system gives to whoever connects.
PORTS = 10_000, 32_000
PATIENCE_SECS = 10.0
# How long a worker may be away while others answer.
LATE_SECS_MAX = 2.0
POLL_SECS = 0.02
AGAIN_SECS = 0.5
STOP_SECS_MAX = 5.0
PAGE_KB = 1024
# A busy machine makes everybody wait; only being made to wait by the attack is a fault. The short
# form, with tests side by side, keeps the machine busy itself.
P99_SECS_MAX = {False: 3.0, True: 1.0}
P99_TIMES_IDLE = 5
WHITELISTED = 2000
ATTACK_SECS_MIN = 1.5


class AttackedTrackerd(Trackerd):
    """trackerd with settings, in as many workers, started through other programs if need be."""

    def __init__(self, binary: str, port: int, workers: int, settings: list[str], through: list):
        super().__init__(binary, [HOST, HOST6] if has_ipv6() else [HOST], port)
        self._workers = workers
        self._through = through
        self.settings = settings

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        directory.chmod(0o755)
        self.configuration = directory / "trackerd.conf"
        self.configure(self.settings)
        # Not named by whoever goes before it: they must not be killed in its stead.
        return [
            *self._through, self.binary, "-f", str(self.configuration),
            "--workers", str(self._workers)]

    def configure(self, settings: list[str]) -> None:
        """Puts another file into the place of its configuration."""
        new = self.configuration.with_suffix(".new")
        listen = [f"listen.tcp_udp {host}" for host in self.hosts]
        new.write_text("\n".join([*listen, *settings, ""]))
        new.rename(self.configuration)

    def serves(self) -> bool:
        return answers_connect(self.port)


class AttackedOpentracker(Opentracker):
    """opentracker, started through other programs if need be."""

    def __init__(self, binary: str, port: int, _workers: int, _settings: list[str], through: list):
        super().__init__(binary, [HOST], port)
        self._through = through

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        return [*self._through, *super().command(directory, info_hashes)]


TRACKERS = {kind.name: kind for kind in (AttackedTrackerd, AttackedOpentracker)}


class Scene:
    """A tracker that serves, until it is over."""

    def __init__(self, kind, binary: str, directory: Path, findings: Findings, is_full: bool):
        self.kind = kind
        self.findings = findings
        self.is_full = is_full
        self._binary = binary
        self.directory = directory
        self.tracker: Trackerd | Opentracker | None = None
        self._idle_p99 = 0.0
        self.panics_expected = 0

    @property
    def is_trackerd(self) -> bool:
        return self.kind is AttackedTrackerd

    def size(self, short: int, full: int) -> int:
        """How much of it: a little, or all when there is time."""
        return full if self.is_full else short

    @contextlib.contextmanager
    def serving(self, *settings: str, through: list | None = None, idle: str = "udp,http"):
        """A tracker with these settings; at the end it must serve, and stop when told."""
        port = free_port()
        self.directory.mkdir(mode=0o755, exist_ok=True)
        self.tracker = self.kind(
            self._binary, port, int(self.findings.workers), list(settings), through or [])
        run = self.directory / f"run{len(list(self.directory.iterdir()))}"
        try:
            self.tracker.start(run, [messages.torrent(n) for n in range(WHITELISTED)])
            if idle:
                with self.probe(idle) as probe:
                    time.sleep(self.size(5, 30) / 10)
                self._idle_p99 = probe.p99
            self.start_of_growth()
            yield self.tracker
            self._check_alive()
        finally:
            self.tracker.kill()

    def _check_alive(self) -> None:
        """It runs, answers by both roads, has not panicked unasked, and stops when told."""
        alive = self.tracker.exit_code is None
        alive = alive and eventually(lambda: answers_connect(self.port), PATIENCE_SECS)
        alive = alive and eventually(lambda: answers_http(self.port), PATIENCE_SECS)
        self.findings.exactly("alive", True, alive)
        if self.is_trackerd:
            self.findings.exactly("panics", self.panics_expected, self.panics())
            exit_code = self.tracker.exit_code
            if exit_code is None:
                exit_code = self.tracker.process.terminate(STOP_SECS_MAX)
            self.findings.exactly("exit code at the end", 0, exit_code)

    @property
    def port(self) -> int:
        return self.tracker.port

    @property
    def pid(self) -> int:
        return self.tracker.process.pid

    @property
    def log(self) -> str:
        return self.tracker.process.log.read_text(errors="replace")

    # What the process has cost so far.

    def memory_kb(self) -> int:
        """Anonymous memory in use: what the program itself has asked for."""
        return self._status_kb("RssAnon")

    def resident_kb(self) -> int:
        """Memory in use, the program's text included."""
        return self._status_kb("VmRSS")

    def peak_kb(self) -> int:
        """The most memory that was in use at a time."""
        return self._status_kb("VmHWM")

    def _status_kb(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise OSError("the tracker's process is gone")

    def start_of_growth(self) -> None:
        """From now on, growth counts."""
        self._kb_before = self.memory_kb()

    def grown_kb(self) -> int:
        """Memory more than when it was idle."""
        return max(0, self.memory_kb() - self._kb_before)

    def cpu_secs(self) -> float:
        """Time on processors, of all its threads."""
        spent = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                spent += int((task / "schedstat").read_text().split()[0])
        return spent / 1e9

    def cpu_share(self, secs: float) -> float:
        """Percent of one processor over the next seconds."""
        began, before = time.monotonic(), self.cpu_secs()
        time.sleep(secs)
        return 100 * (self.cpu_secs() - before) / (time.monotonic() - began)

    def least_cpu_share(self, secs: float, periods: int) -> float:
        """The same for the quietest of a few periods: what is left to do from before takes a
        moment, spinning takes for ever."""
        return min(self.cpu_share(secs) for _ in range(periods))

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    # Clients.

    def udp(self, source: str = HOST) -> Udp:
        return Udp(self.port, source)

    def stream(self, source: str = HOST, receive_buffer: int = 0) -> socket.socket:
        """A connection, once it is there."""
        stream = socket.socket()
        if receive_buffer:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        stream.settimeout(PATIENCE_SECS)
        if source != HOST:
            stream.bind((source, 0))
        # Ports of connections that have just ended are used again only where none is bound.
        stream.connect((HOST, self.port))
        return stream

    def page(self, path: str) -> tuple[int, bytes]:
        return page(self.port, path)

    def count(self, name: str) -> int:
        """Of the tracker's own counts, since it started."""
        for line in self.page("/stats?mode=counters")[1].decode().splitlines():
            if line.startswith(f"{name}: "):
                return int(line.split()[-2])
        raise KeyError(name)

    def panics(self) -> int:
        """Of workers, as the tracker counts them; -1 while it doesn't say."""
        try:
            return self.count("worker panics")
        except (OSError, KeyError, ValueError, IndexError):
            return -1

    @contextlib.contextmanager
    def probe(self, ways: str = "udp,http"):
        """The well-behaved client, asking meanwhile."""
        if not self.is_trackerd:
            # opentracker keeps no connection.
            ways = ways.replace(",kept", "")
        probe = Probe(self.port, ways)
        try:
            yield probe
            probe.finish()
        finally:
            probe.kill()

    def unharmed(self, probe: Probe) -> None:
        """The well-behaved client was answered, every time and soon."""
        self.findings.none("others' requests lost", probe.lost)
        limit = P99_SECS_MAX[self.is_full] + P99_TIMES_IDLE * self._idle_p99
        self.findings.at_most(
            f"others' p99 ({len(probe.latencies)} requests, idle {1000 * self._idle_p99:.1f} ms)",
            1000 * limit, 1000 * probe.p99, " ms")

    def modest(self, kb_max: int = PAGE_KB) -> None:
        """Memory has not grown by more than that."""
        self.findings.at_most("memory growth", kb_max, self.grown_kb(), " KB")


class Probe:
    """`probe.py` at work."""

    def __init__(self, port: int, ways: str):
        self._child = subprocess.Popen(
            [sys.executable, str(HERE / "probe.py"), str(port), ways],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._child.stdout.readline()
        self.latencies: list[float] = []
        self.lost: list[str] = ["the probe has not ended"]

    def finish(self) -> None:
        output, _ = self._child.communicate(timeout=10 * PATIENCE_SECS)
        result = json.loads(output)
        self.latencies, self.lost = sorted(result["latencies"]), result["lost"]

    @property
    def p99(self) -> float:
        """Seconds, or infinite if nothing was answered."""
        if not self.latencies:
            return float("inf")
        return self.latencies[min(len(self.latencies) - 1, len(self.latencies) * 99 // 100)]

    def kill(self) -> None:
        self._child.kill()
        self._child.communicate()


class Udp:
    """A socket of a client's, connected to the tracker."""

    def __init__(self, port: int, source: str = HOST):
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.socket.bind((source, 0))
        self.socket.connect((HOST6 if ":" in source else HOST, port))
        self.socket.settimeout(PATIENCE_SECS)
        self._serial = 0xFE000000

    def __enter__(self) -> Udp:
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def ask(self, datagram: bytes, patience_secs: float = PATIENCE_SECS) -> bytes | None:
        """The answer to its transaction; asks again until the time is up."""
        deadline = time.monotonic() + patience_secs
        while time.monotonic() < deadline:
            self.socket.send(datagram)
            self.socket.settimeout(AGAIN_SECS)
            with contextlib.suppress(TimeoutError, socket.timeout):
                while True:
                    answer = self.socket.recv(1 << 16)
                    if answer[4:8] == datagram[12:16]:
                        return answer
        return None

    def serial(self) -> int:
        """A transaction that this socket has not had, lest a late answer be taken for another."""
        self._serial += 1
        return self._serial

    def connection_id(self) -> int:
        answer = self.ask(messages.connect(self.serial()))
        if answer is None:
            raise OSError("no connection id within the time")
        return int.from_bytes(answer[8:16], "big")

    def answers(self, sent: list[bytes], window: int = 32) -> list[bytes]:
        """Sends all, few at a time, and returns whatever comes back."""
        got: list[bytes] = []
        for start in range(0, len(sent), window):
            for datagram in sent[start:start + window]:
                self.socket.send(datagram)
            got += self._until_answered(messages.connect(self.serial()))
        return got

    def answers_to_all(self, sent: list[bytes], window: int) -> list[bytes]:
        """The same where each should have an answer: late ones are waited for. Another worker may
        be at the fence before the one that owns the torrents is at these."""
        got = self.answers(sent, window)
        self.socket.settimeout(LATE_SECS_MAX)
        with contextlib.suppress(TimeoutError, socket.timeout):
            while len(got) < len(sent):
                got.append(self.socket.recv(1 << 16))
        return got

    def _until_answered(self, fence: bytes) -> list[bytes]:
        """What comes before the answer to one that is always answered, unless the kernel has no
        room for it."""
        got = []
        self.socket.settimeout(0.25)
        deadline = time.monotonic() + PATIENCE_SECS
        while time.monotonic() < deadline:
            self.socket.send(fence)
            with contextlib.suppress(TimeoutError, socket.timeout):
                while True:
                    answer = self.socket.recv(1 << 16)
                    if answer[4:8] == fence[12:16]:
                        return got
                    got.append(answer)
        raise OSError("the tracker has stopped to answer")


def has_ipv6() -> bool:
    """Whether ::1 can be listened on."""
    try:
        with socket.socket(socket.AF_INET6) as stream:
            stream.bind((HOST6, 0))
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody listens on, by TCP or UDP, and that no connection is given meanwhile."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with contextlib.suppress(OSError):
                stream.bind((HOST, port))
                datagrams.bind((HOST, port))
                return port


def page(port: int, path: str) -> tuple[int, bytes]:
    """Status and body; what is not an answer is an OSError."""
    with socket.create_connection((HOST, port), PATIENCE_SECS) as stream:
        stream.sendall(messages.get(path, close=True))
        answer = b"".join(iter(lambda: stream.recv(1 << 16), b""))
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        raise OSError(f"not an answer: {answer[:60]!r}")
    return int(head.split(b" ")[1]), body


def answers_http(port: int) -> bool:
    try:
        return page(port, messages.target(messages.torrent(0)))[0] == 200
    except (OSError, IndexError, ValueError):
        return False


def answers_connect(port: int) -> bool:
    """Whether a datagram to connect is answered, at once."""
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(0.25)
        datagrams.connect((HOST, port))
        try:
            datagrams.send(messages.connect())
            return messages.action(datagrams.recv(64)) == messages.CONNECT
        except OSError:
            return False


def eventually(is_so, secs_max: float) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + secs_max
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECS)
    return True


def for_a_while():
    """Turns, one at least, for so long that others notice if there is anything to notice."""
    began = time.monotonic()
    yield
    while time.monotonic() < began + ATTACK_SECS_MIN:
        yield


def closed_within(streams: list[socket.socket], secs_max: float) -> tuple[int, float]:
    """How many of the connections the tracker ends in time, and when the last did. What it
    sends before is read and forgotten."""
    began = time.monotonic()
    last = 0.0
    left = len(streams)
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            stream.setblocking(False)
            selector.register(stream, selectors.EVENT_READ)
        while left and (remaining := began + secs_max - time.monotonic()) > 0:
            for key, _ in selector.select(remaining):
                try:
                    more = key.fileobj.recv(1 << 16)
                except BlockingIOError:
                    continue
                except OSError:
                    more = b""
                if not more:
                    selector.unregister(key.fileobj)
                    left -= 1
                    last = time.monotonic() - began
    return len(streams) - left, last
