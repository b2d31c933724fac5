"""Where one test is made: trackers that ask others, those others, and clients."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import secrets
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "torture")]

import bencode  # noqa: E402
import network  # noqa: E402
from client import Client  # noqa: E402
from findings import Findings  # noqa: E402
from network import LAN, WAN, Host  # noqa: E402
from process import PATH  # noqa: E402
from tracker import Opentracker, Trackerd  # noqa: E402

from asking import Asker, NoReply  # noqa: E402

PYTHON = "/usr/bin/python3"
# Where the router is asked, from its LAN and from outside.
INSIDE, OUTSIDE, INSIDE6 = (
    network.address(1, 4, LAN), network.address(1, 4, WAN), network.address(1, 6, LAN))
# Where upstreams are, as if they were anywhere.
ABROAD, ABROAD6 = network.address(2, 4, WAN), network.address(2, 6, WAN)
# Clients at hand: two of the LAN, one of the LAN by IPv6, one from anywhere.
CLIENT, CLIENT2 = network.address(8, 4, LAN), network.address(9, 4, LAN)
CLIENT6, STRANGER = network.address(9, 6, LAN), network.address(9, 4, WAN)
# What all tests have; a later line of a setting that isn't repeatable counts.
USUAL = ["meta.mode lan", "meta.list_url none", "tracker.interval 600"]
ALONE = ["meta.dht off", "meta.pex no"]
# For tests of something else than whether a torrent may be passed on.
OPEN = ["meta.public_proof no", "meta.never_first no"]
SECS_MAX = 30.0
POLL_SECS = 0.03
FARM_ADDRESSES = [f"45.78.0.{number}" for number in range(1, 13)]
FARM_PORT = 21000


class Missed(Exception):
    """What a test waited for and didn't get."""


class MetaTrackerd(Trackerd):
    """trackerd on the router, at an address on either side, with other trackers to ask."""

    _ports = itertools.count(7000)

    def __init__(self, binary: str, upstreams: list[str], settings: list[str], authority=None):
        super().__init__(binary, [INSIDE, OUTSIDE, INSIDE6], next(self._ports))
        self.upstreams = upstreams
        self.settings = settings
        self._authority = authority

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        # It gives up being root, and has a file to write.
        directory.chmod(0o777)
        self.directory = directory
        self.write_upstreams()
        lines = [f"listen.tcp_udp {host}" for host in self.hosts]
        lines += [setting.replace("{dir}", str(directory)) for setting in self.settings]
        if any(line.startswith("meta.mode ") for line in lines):
            lines.append(f"meta.upstreams {directory}/upstreams")
        configuration = directory / "trackerd.conf"
        configuration.write_text("\n".join([*lines, ""]))
        through = ["env", f"SSL_CERT_FILE={self._authority}"] if self._authority else []
        return [*through, self.binary, "-f", str(configuration), "--workers", "1"]

    def write_upstreams(self) -> None:
        new = self.directory / "upstreams.new"
        text = "\n".join(["# those we ask", "", *self.upstreams, ""])
        new.write_text(text.replace("{port}", str(self.port)))
        new.rename(self.directory / "upstreams")

    def url(self, proto: str = "http") -> str:
        """For clients of the LAN."""
        return f"{proto}://{INSIDE}:{self.port}/announce?meta=1"

    def asker(self, source: str = CLIENT, listening: int = 6881) -> Asker:
        address = INSIDE6 if ":" in source else OUTSIDE if source == STRANGER else INSIDE
        return Asker(address, self.port, source, listening)

    def stats(self) -> str:
        return self.asker("10.77.0.1").get("/stats?mode=meta").decode()

    def figure(self, name: str) -> int:
        """Of the first lines of the statistics, which have names before their figures."""
        words = self.stats().partition("\nstate ")[0].split()
        return int(words[words.index(name) + 1])

    def upstream(self, url: str) -> dict[str, str]:
        """What the statistics say of an upstream."""
        _, head, rows = self.stats().partition("state ")
        names, *lines = (head + rows).splitlines()
        for line in lines:
            fields = dict(zip(names.split(), line.split(None, len(names.split()) - 1)))
            if fields["url"].startswith(url):
                return fields
        return {}

    def cpu_secs(self) -> float:
        """Processor time of the workers, those who answer."""
        spent = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                if not (task / "comm").read_text().startswith(("meta", "mainline")):
                    spent += int((task / "schedstat").read_text().split()[0])
        return spent / 1e9

    def memory_kb(self, of_image: bool = False) -> int:
        """Memory of its own: what it has asked for or, of the program's image, what the loader
        has had to fill in, which grows with the code and not with what that does."""
        mappings = Path(f"/proc/{self.process.pid}/smaps").read_text()
        kb, is_image = 0, False
        for line in mappings.splitlines():
            name, *values = line.split()
            if not name.endswith(":"):
                is_image = line.split(None, 5)[-1].startswith("/")
            elif name == "Anonymous:" and is_image == of_image:
                kb += int(values[0])
        return kb


class AbroadOpentracker(Opentracker):
    """Debian's opentracker on a host of its own beyond the router."""

    def __init__(self, binary: str, host: Host):
        super().__init__(binary, [host.addresses[4]], 6969)
        self._host = host

    def command(self, directory: Path, info_hashes: list[bytes]) -> list[str]:
        directory.chmod(0o755)
        return self._host.command(super().command(directory, info_hashes))

    def url(self, proto: str) -> str:
        return f"{proto}://{self.hosts[0]}/announce"


class Farm:
    """`dht_farm.py` on a host abroad."""

    def __init__(self, directory: Path):
        self._host = Host([4], WAN)
        self._host.take(FARM_ADDRESSES)
        argv = [PYTHON, str(HERE / "dht_farm.py"), str(FARM_PORT), *FARM_ADDRESSES]
        self._lock = threading.Lock()
        self._log = (directory / "dht-farm.log").open("wb")
        self._child = subprocess.Popen(
            self._host.command(argv), env={"PATH": PATH}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._log, text=True, bufsize=1)
        self._nodes: list[int] | None = None

    def nodes(self) -> list[int]:
        """How many others each node knows; waits until all know some."""
        with self._lock:
            if self._nodes is None:
                self._nodes = self._read(90)["ready"]
            return self._nodes

    def find(self, info_hash: bytes) -> list[tuple[str, int]]:
        """The peers of a torrent that one of the nodes finds with the others."""
        self.nodes()
        with self._lock:
            self._child.stdin.write(json.dumps({"find": info_hash.hex()}) + "\n")
            self._child.stdin.flush()
            return [tuple(peer) for peer in self._read(30)]

    def announce(self, info_hash: bytes, port: int) -> tuple[str, int]:
        """Tells every node of a peer, which is returned."""
        self.nodes()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((STRANGER, 0))
            sock.settimeout(5.0)
            asked = {"id": b"an id of twenty byte", "info_hash": info_hash}
            for address in FARM_ADDRESSES:
                sock.connect((address, FARM_PORT))
                token = _query(sock, "get_peers", asked)[b"token"]
                told = {**asked, "port": port, "token": token, "implied_port": 0}
                _query(sock, "announce_peer", told)
        return STRANGER, port

    def _read(self, secs_max: float):
        if not select.select([self._child.stdout], [], [], secs_max)[0]:
            raise Missed("the nodes of the hash table do not answer")
        line = self._child.stdout.readline()
        if not line:
            raise Missed(f"the hash table has ended: {Path(self._log.name).read_text()[-500:]}")
        return json.loads(line)

    @property
    def settings(self) -> list[str]:
        return [f"meta.dht_bootstrap {address}:{FARM_PORT}" for address in FARM_ADDRESSES[:2]]

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        self._host.remove()


def _query(sock: socket.socket, name: str, arguments: dict) -> dict:
    """Asks a node (BEP 5)."""
    transaction = secrets.token_bytes(4)
    sock.send(bencode.encode({"y": "q", "t": transaction, "q": name, "a": arguments}))
    while True:
        answer = bencode.decode(sock.recv(4096))
        if answer.get(b"t") == transaction:
            return answer[b"r"]


class Scene:
    """What one test has to itself; all of it ends with it."""

    def __init__(self, name: str, directory: Path, binaries: dict, farm: Farm):
        self.findings = Findings(name, "")
        self.directory = directory
        self.binaries = binaries
        self.farm = farm
        self.trackers: list[Trackerd] = []
        self.clients: list[Client] = []
        self._stack = contextlib.ExitStack()
        self._torrents = itertools.count()
        directory.mkdir(mode=0o755)

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_) -> None:
        self._stack.close()

    def use(self, thing):
        """Something that ends with the test."""
        return self._stack.enter_context(thing)

    def torrent(self) -> bytes:
        """An info-hash that no other test has."""
        name = f"{self.findings.test} {next(self._torrents)}"
        return hashlib.sha1(name.encode()).digest()

    def tracker(
        self, upstreams: list, *settings: str, usual: bool = True, authority=None,
        binary: str = "trackerd", directory: Path | None = None,
    ) -> MetaTrackerd:
        """A tracker that serves, and knows these others: upstreams or URLs."""
        urls = [upstream if isinstance(upstream, str) else upstream.url for upstream in upstreams]
        lines = [*(USUAL + ALONE if usual else []), *settings]
        tracker = MetaTrackerd(self.binaries[binary], urls, _last_of_each(lines), authority)
        self.start(tracker, [])
        return tracker

    def start(self, tracker, info_hashes: list[bytes]) -> None:
        self.trackers.append(tracker)
        self._stack.callback(tracker.kill)
        tracker.start(self.directory / f"tracker-{len(self.trackers)}", info_hashes)

    def opentracker(self, info_hashes: list[bytes]) -> AbroadOpentracker:
        tracker = AbroadOpentracker(self.binaries["opentracker"], self.host(WAN))
        self.start(tracker, info_hashes)
        return tracker

    def host(self, side: dict) -> Host:
        host = Host([4], side)
        self._stack.callback(host.remove)
        return host

    def client(self, kind: type[Client], side: dict = LAN, **options) -> Client:
        """A real client that isn't running yet, with a host to itself."""
        directory = self.directory / f"{len(self.clients)}-{kind.name}"
        client = kind(directory, self.host(side))
        client.options = options
        self.clients.append(client)
        self._stack.callback(lambda: client.process and client.process.kill())
        return client

    def until(self, is_so, what: str, secs_max: float = SECS_MAX) -> float:
        """Waits for something; how long it took."""
        began = time.monotonic()
        while not is_so():
            for tracker in self.trackers:
                if tracker.exit_code not in (None, -9, 0):
                    raise Missed(f"{tracker.name} ended with exit code {tracker.exit_code}")
            if time.monotonic() > began + secs_max:
                raise Missed(f"waited {secs_max:.0f} s for this: {what}")
            time.sleep(POLL_SECS)
        return time.monotonic() - began

    def pass_by(self, secs: float) -> None:
        """Lets time pass, in which something might happen that must not."""
        deadline = time.monotonic() + secs
        self.until(lambda: time.monotonic() > deadline, "time passes", secs + SECS_MAX)

    def becomes(self, what: str, is_so, secs_max: float = SECS_MAX) -> None:
        """A criterion: it comes true in time, or the test ends here."""
        self.findings.at_most(f"{what}: seconds", secs_max, self.until(is_so, what, secs_max))

    def logs(self) -> list[str]:
        lines = []
        for one in [*self.trackers, *(client for client in self.clients if client.process)]:
            process = one.process
            lines += [f"log of {one.name}:", *(process.log_tail(15) if process else [])]
            if isinstance(one, MetaTrackerd) and one.exit_code is None:
                with contextlib.suppress(NoReply):
                    lines += one.stats().splitlines()
        return lines


def _last_of_each(lines: list[str]) -> list[str]:
    """Settings given last win; those that may be repeated are kept."""
    repeatable = ("meta.dht_bootstrap", "meta.list_url", "meta.listen", "meta.clients")
    last = {line.split()[0]: line for line in lines}
    if any(line.startswith("meta.list_url http") for line in lines):
        lines = [line for line in lines if line != "meta.list_url none"]
    kept = [line for line in lines if line.startswith(repeatable)]
    return [line for key, line in last.items() if key not in repeatable] + kept
