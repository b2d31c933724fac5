"""What is expected of a tracker, case by case."""

import hashlib
import socket
from itertools import product

import network
from aria2 import Aria2
from client import PORT, Client
from endpoint import Counts, Endpoint, NoAnswer
from libtorrent_client import Libtorrent
from payload import Payload
from rtorrent import Rtorrent
from stage import Failed, Stage
from tracker import STOP_SECS_MAX, Tracker
from transmission import Transmission

CLIENTS = [Libtorrent, Transmission, Aria2, Rtorrent]
# Those that can be told to take a certificate for which nobody vouches.
BELIEVERS = [Libtorrent, Aria2, Rtorrent]
PROTOS = ["http", "udp"]
FAMILIES = [4, 6]

# One tracker on addresses of its own, one on every address of a host that has several.
MAIN_HOST, MAIN_PORT, SECURE_PORT = 1, 6969, 6443
WILDCARD_HOSTS, WILDCARD_PORT = {4: [2, 3, 4], 6: [2, 3]}, 6970
MAIN_ADDRESSES = [network.address(MAIN_HOST, family) for family in FAMILIES]
WILDCARD_ADDRESSES = ["0.0.0.0", "::"]


class Case:
    """Something that either holds or does not. `run` raises Failed when it does not."""

    name: str
    clients: list[type[Client]] = []
    endpoints: list[Endpoint] = []
    info_hashes: list[bytes] = []

    def obstacle(self, tracker: type[Tracker]) -> str | None:
        """Why it cannot be tried: a limit of a client or of a tracker put in for comparison."""
        for endpoint in self.endpoints:
            if endpoint.family not in tracker.families:
                return f"{tracker.name} does not serve IPv{endpoint.family}"
            if endpoint.proto == "https" and not tracker.has_https:
                return f"{tracker.name} does not serve HTTPS"
        return None

    def run(self, stage: Stage) -> None:
        raise NotImplementedError


class Pair(Case):
    """A seeder and a leecher find each other, each by an endpoint of its own."""

    def __init__(
        self, name: str, seeder: type[Client], seeding: Endpoint,
        leecher: type[Client], leeching: Endpoint,
    ):
        self.name = f"{name:16}{seeder.name} → {leecher.name}"
        self.seeder, self.seeding = seeder, seeding
        self.leecher, self.leeching = leecher, leeching
        self.clients = [seeder, leecher]
        self.endpoints = [seeding, leeching]
        self.payload = Payload(self.name)
        self.info_hashes = [self.payload.info_hash]

    def obstacle(self, tracker: type[Tracker]) -> str | None:
        return (
            self.seeder.obstacle(self.seeding.proto, self.seeding.family, "seeder")
            or self.leecher.obstacle(self.leeching.proto, self.leeching.family, "leecher")
            or super().obstacle(tracker))

    def run(self, stage: Stage) -> None:
        stage.seed(self.seeder, self.payload, self.seeding)
        leecher = stage.leech(self.leecher, self.payload, [self.leeching])
        stage.finish(leecher, self.payload)


class Families(Case):
    """Two IPv4 and two IPv6 peers of one torrent: counted together, listed apart."""

    clients = [Libtorrent, Rtorrent, Aria2]

    def __init__(self):
        self.name = f"{'v4 and v6':16}each family sees its own"
        self.payload = Payload(self.name)
        self.info_hashes = [self.payload.info_hash]
        self.endpoints = [main(proto, family) for proto in PROTOS for family in FAMILIES]

    def run(self, stage: Stage) -> None:
        seeders = {
            4: stage.seed(Libtorrent, self.payload, main("udp", 4)),
            6: stage.seed(Rtorrent, self.payload, main("http", 6))}
        leechers = {
            4: stage.leech(Aria2, self.payload, [main("http", 4)]),
            6: stage.leech(Libtorrent, self.payload, [main("udp", 6)])}
        for leecher in leechers.values():
            stage.finish(leecher, self.payload)
        peers = {
            family: {seeders[family].peer(family), leechers[family].peer(family)}
            for family in FAMILIES}
        for endpoint in self.endpoints:
            self._check(endpoint, peers)

    def _check(self, endpoint: Endpoint, peers: dict[int, set]) -> None:
        answer = endpoint.announce(self.payload.info_hash, PORT, "started")
        endpoint.announce(self.payload.info_hash, PORT, "stopped")
        wanted = peers[endpoint.family]
        # BEP 7: over HTTP an IPv6 client may be told of both families.
        allowed = wanted | peers[4] if endpoint.proto == "http" else wanted
        if not wanted <= answer.peers <= allowed:
            raise Failed(f"{endpoint.url} lists {sorted(answer.peers)}, not {sorted(wanted)}")
        others = answer.seeders + answer.leechers - 1
        if others != 4:
            raise Failed(f"{endpoint.url} counts {others} others, not those of both families")


class Bridge(Case):
    """A dual-stack client carries the file from the IPv4 to the IPv6 side of a swarm."""

    clients = [Libtorrent, Rtorrent, Aria2]

    def __init__(self, proto: str):
        self.name = f"{proto + ' v4, v6':16}rtorrent → dual-stack libtorrent → aria2"
        self.endpoints = [main(proto, family) for family in FAMILIES]
        self.payload = Payload(self.name)
        self.info_hashes = [self.payload.info_hash]

    def run(self, stage: Stage) -> None:
        v4, v6 = self.endpoints
        stage.seed(Rtorrent, self.payload, v4)
        bridge = stage.leech(Libtorrent, self.payload, self.endpoints)
        stage.finish(bridge, self.payload)
        stage.until(
            lambda: sum(v6.scrape(self.payload.info_hash)[:2]) == 3,
            "the tracker never counted the dual-stack client once in each family")
        leecher = stage.leech(Aria2, self.payload, [main("http", 6)])
        stage.finish(leecher, self.payload)


class Source(Case):
    """A tracker on the wildcard address answers from the very address it was asked at."""

    # Enough sockets that every worker of the tracker gets asked, enough torrents that many an
    # answer is another worker's.
    rounds = 24

    def __init__(self, endpoint: Endpoint):
        self.name = (
            f"{endpoint.proto + ' v' + str(endpoint.family):16}"
            f"wildcard, asked at {endpoint.address}")
        self.endpoints = [endpoint]
        self.info_hashes = [
            hashlib.sha1(f"{self.name} {turn}".encode()).digest() for turn in range(self.rounds)]

    def run(self, stage: Stage) -> None:
        endpoint = self.endpoints[0]
        for turn, info_hash in enumerate(self.info_hashes):
            try:
                answer = endpoint.announce(info_hash, PORT, "started")
                counts = endpoint.scrape(info_hash)
            except NoAnswer as error:
                raise Failed(f"{turn} of {self.rounds} were answered, then: {error}") from error
            if (answer.seeders, answer.leechers) != (0, 1) or counts != Counts(0, 1, 0):
                raise Failed(f"the only leecher was counted as {answer} and {counts}")


class Ready(Case):
    """The line that says so names every endpoint, and nothing else."""

    def __init__(self, tracker: Tracker):
        self.name = f"{'ready line':16}{' '.join(tracker.hosts)}"
        self.tracker = tracker

    def obstacle(self, tracker: type[Tracker]) -> str | None:
        return None if hasattr(tracker, "ready_line") else f"{tracker.name} prints none"

    def run(self, stage: Stage) -> None:
        said = self.tracker.ready_line()
        expected = [f"{layer}://{host}" for host in self.tracker.hosts for layer in ("tcp", "udp")]
        expected += [f"https://{host}" for host in self.tracker.secure_hosts]
        if sorted(said.split()) != sorted(expected):
            raise Failed(f"it names {said}, not {' '.join(expected)}")


class Stop(Case):
    """SIGTERM ends the tracker in time and without complaint, whoever is connected."""

    def __init__(self, tracker: Tracker):
        self.name = f"{'SIGTERM':16}{' '.join(tracker.hosts)}"
        self.tracker = tracker

    def obstacle(self, tracker: type[Tracker]) -> str | None:
        return None if hasattr(tracker, "ready_line") else f"{tracker.name} dies of it"

    def run(self, stage: Stage) -> None:
        address = (network.address(MAIN_HOST, 4), self.tracker.port)
        with socket.create_connection(address), socket.create_connection(address) as slow:
            slow.sendall(b"GET /announce?info_hash=")
            exit_code = self.tracker.process.terminate(STOP_SECS_MAX)
        if exit_code is None:
            raise Failed(f"it did not end within {STOP_SECS_MAX:.0f} s")
        if exit_code != 0:
            raise Failed(f"it ended with exit code {exit_code}")


def main(proto: str, family: int) -> Endpoint:
    """An endpoint of the tracker that has addresses of its own."""
    return Endpoint(proto, network.address(MAIN_HOST, family), MAIN_PORT)


def secure(family: int) -> Endpoint:
    """The same tracker by HTTPS."""
    return Endpoint("https", network.address(MAIN_HOST, family), SECURE_PORT)


def wildcard(proto: str, family: int, host: int) -> Endpoint:
    """An endpoint of the tracker that listens on every address."""
    return Endpoint(proto, network.address(host, family), WILDCARD_PORT)


def exchanges() -> list[Case]:
    """All cases that may run side by side."""
    return [
        *_pairs(), *_mixed_pairs(), *_secure_pairs(), Families(), Bridge("http"), Bridge("udp"),
        *_wildcards()]


def _pairs():
    for proto, family, seeder, leecher in product(PROTOS, FAMILIES, CLIENTS, CLIENTS):
        door = main(proto, family)
        yield Pair(f"{proto} v{family}", seeder, door, leecher, door)


def _mixed_pairs():
    """Each client as a seeder over one protocol, with the next as a leecher over the other."""
    nexts = CLIENTS[1:] + CLIENTS[:1]
    for family, proto, (seeder, leecher) in product(FAMILIES, PROTOS, zip(CLIENTS, nexts)):
        other = PROTOS[1 - PROTOS.index(proto)]
        yield Pair(
            f"{proto} + {other} v{family}",
            seeder, main(proto, family), leecher, main(other, family))


def _secure_pairs():
    """Clients as seeders and as leechers over HTTPS."""
    pairs = zip(BELIEVERS, BELIEVERS[1:] + BELIEVERS[:1])
    for family, (seeder, leecher) in product(FAMILIES, pairs):
        door = secure(family)
        yield Pair(f"https v{family}", seeder, door, leecher, door)


def _wildcards():
    for family in FAMILIES:
        for proto, host in product(PROTOS, WILDCARD_HOSTS[family]):
            yield Source(wildcard(proto, family, host))
        # libtorrent drops answers that come from an address it did not ask.
        door = wildcard("udp", family, WILDCARD_HOSTS[family][-1])
        yield Pair(f"udp v{family} wildcard", Libtorrent, door, Libtorrent, door)
