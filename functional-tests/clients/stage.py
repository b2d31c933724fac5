"""Where one case is played: its directory, its clients and their hosts, its clock."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from client import Client
from endpoint import Endpoint
from network import Host
from payload import Payload

CASE_SECS_MAX = 75.0
POLL_SECS = 0.1


class Failed(Exception):
    """What a case expected and did not find."""


class Stage:
    """What one case has to itself."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.clients: list[Client] = []
        self._deadline = time.monotonic() + CASE_SECS_MAX

    def seed(self, kind: type[Client], payload: Payload, endpoint: Endpoint) -> Client:
        """Starts a client that has the file, and waits until the tracker knows it."""
        client = self._seat(kind, [endpoint.family])
        seeders_before = endpoint.scrape(payload.info_hash).seeders
        payload.put_into(client.content)
        client.start(payload.torrent([endpoint.url]))
        self.until(
            lambda: endpoint.scrape(payload.info_hash).seeders > seeders_before,
            f"the tracker never counted the seeding {kind.name}")
        return client

    def leech(
        self, kind: type[Client], payload: Payload, endpoints: list[Endpoint]
    ) -> Client:
        """Starts a client that wants the file and announces to all the endpoints."""
        client = self._seat(kind, sorted({endpoint.family for endpoint in endpoints}))
        client.start(payload.torrent([endpoint.url for endpoint in endpoints]))
        return client

    def finish(self, client: Client, payload: Payload) -> None:
        """Waits until the client has the file."""
        self.until(
            lambda: payload.is_in(client.content), f"the leeching {client.name} never finished")

    def until(self, condition: Callable[[], bool], complaint: str) -> None:
        """Polls until the condition holds; fails with the complaint when time is up."""
        while not condition():
            for client in self.clients:
                if client.process and client.process.exit_code is not None:
                    raise Failed(
                        f"{client.name} ended with exit code {client.process.exit_code}")
            if time.monotonic() > self._deadline:
                raise Failed(complaint)
            time.sleep(POLL_SECS)

    def logs(self, lines_max: int) -> list[str]:
        """The ends of the clients' logs."""
        lines = []
        for client in self.clients:
            lines.append(f"log of {client.name} at {', '.join(client.host.addresses.values())}:")
            lines += client.process.log_tail(lines_max) if client.process else []
        return lines

    def clear(self) -> None:
        for client in self.clients:
            if client.process:
                client.process.kill()
            client.host.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _seat(self, kind: type[Client], families: list[int]) -> Client:
        client = kind(self.directory / f"{len(self.clients)}-{kind.name}", Host(families))
        self.clients.append(client)
        return client
