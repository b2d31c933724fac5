"""The tests: what each is called, what it needs, and for whom it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import attack_connections
import attack_http
import attack_numbers
import attack_swarms
import attack_udp
import control_group
import half_open
import mishaps
from scene import Scene


@dataclass(frozen=True)
class Test:
    """An attack under a name."""

    name: str
    attack: Callable[[Scene], None]
    # How long it takes, roughly, in the short form.
    secs: int = 3
    # Whether opentracker, without trackerd's settings, can be tested as well.
    is_for_all: bool = True
    needs_mishaps: bool = False
    # Whether it takes much work, and thus happens over one number of workers in the short form.
    is_heavy: bool = False
    # Why it cannot be tried on this machine, if so.
    obstacle: Callable[[], str | None] | None = None


TESTS = [
    Test("malformed HTTP", attack_http.malformed_requests, 6),
    Test("numbers by HTTP", attack_numbers.numbers_by_http, 4, is_heavy=True),
    Test("numbers by UDP", attack_numbers.numbers_by_udp),
    Test("pipelined, never read", attack_http.pipelined_unread, 8),
    Test("everybody reads statistics", attack_http.statistics_for_everybody, 4,
         is_for_all=False),
    Test("connection ids", attack_udp.connection_ids),
    Test("old connection ids", mishaps.old_connection_ids, 3, is_for_all=False,
         obstacle=mishaps.no_compiler),
    Test("ragged datagrams", attack_udp.ragged_datagrams, 5, is_heavy=True),
    Test("flood of random datagrams", attack_udp.datagram_flood),
    Test("flood from one address", attack_udp.one_source_flood, 3, is_for_all=False),
    Test("flood from many addresses", attack_udp.many_sources_flood, 3, is_for_all=False),
    Test("slow senders", attack_connections.slow_senders, 8),
    Test("slow readers of full scrapes", attack_connections.slow_readers, 5),
    Test("abandoned connections", attack_connections.abandoned_connections, 5),
    Test("half-open connections", attack_connections.half_open_connections, 3,
         obstacle=half_open.obstacle),
    Test("connections beyond the limit", attack_connections.connection_flood, 4,
         is_for_all=False),
    Test("short connections", attack_connections.short_connections),
    Test("no files left", attack_connections.descriptor_exhaustion, 5),
    Test("all peers of a large swarm", attack_swarms.numwant_of_all, 4, is_heavy=True),
    Test("random torrents", attack_swarms.random_torrents, 10, is_heavy=True),
    Test("memory at its limit", attack_swarms.memory_at_its_limit, 8, is_for_all=False,
         is_heavy=True),
    Test("memory of a router", attack_swarms.memory_of_a_router, 12, is_for_all=False,
         is_heavy=True, obstacle=control_group.obstacle),
    Test("chosen info-hashes", attack_swarms.chosen_torrents, 8, is_for_all=False, is_heavy=True),
    Test("chosen addresses", attack_swarms.chosen_addresses, 4, is_for_all=False, is_heavy=True),
    Test("reload storm", mishaps.reload_storm, 5),
    Test("stopped for a while", mishaps.stopped_for_a_while, 9),
    Test("time of day jumps", mishaps.wall_clock_jumps, 4, obstacle=mishaps.no_compiler),
    Test("long uptime", mishaps.long_uptime, 5, is_for_all=False,
         obstacle=mishaps.no_compiler),
    Test("full disk", mishaps.full_disk),
    Test("panic in a worker", mishaps.panic_in_a_worker, 3, is_for_all=False,
         needs_mishaps=True),
]
