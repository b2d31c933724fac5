"""Whom a tracker asks, when, and what it makes of the answers."""

from __future__ import annotations

import contextlib
import itertools
import socket
import statistics

import network
from asking import META, NoReply
from scene import (
    ABROAD, ABROAD6, CLIENT, CLIENT2, CLIENT6, INSIDE, OPEN, OUTSIDE, STRANGER, Missed, Scene)
from upstreams import (
    HTTP_BEHAVIOURS, HTTP_DEFECTS, HTTP_PEERLESS, UDP_BEHAVIOURS, UDP_DEFECTS, HttpUpstream,
    UdpUpstream, certificate)

PLENTY = ["meta.k 64", "meta.pps 1000", "meta.tcp 64"]
# Milliseconds that it may take besides being held.
SLACK = {0: 5, 300: 50}
INTERVALS = range(540, 661)

_numbers = itertools.count(1)


def some_peers(count: int = 3) -> list[tuple[str, int]]:
    """Peers that nobody else has."""
    return [("46.%d.%d.%d" % ((number := next(_numbers)) >> 16, number >> 8 & 255, number & 255),
             6881) for _ in range(count)]


def udp(scene: Scene, behaviour: str = "good", **more) -> UdpUpstream:
    upstream = scene.use(UdpUpstream(behaviour, ABROAD, some_peers()))
    return _with(upstream, more)


def http(scene: Scene, behaviour: str = "good", **more) -> HttpUpstream:
    made = {key: more.pop(key) for key in ("certificate", "target", "lines") if key in more}
    return _with(scene.use(HttpUpstream(behaviour, ABROAD, some_peers(), **made)), more)


def _with(upstream, values: dict):
    for name, value in values.items():
        setattr(upstream, name, value)
    return upstream


def no_wait_for_the_stalled(scene: Scene) -> None:
    """With every upstream stalled, an answer takes no longer than without, or than it may."""
    stalled = [udp(scene, "silent"), udp(scene, "deaf"), http(scene, "stall"), http(scene, "stall")]
    urls = [upstream.url for upstream in stalled] + ["http://45.99.0.1:80/announce"]
    for hold, turns in ((0, 40), (300, 8)):
        tracker = scene.tracker(urls, *OPEN, f"meta.hold {hold}")
        for way in ("http", "udp"):
            asker = tracker.asker()
            plain, asking = [], []
            for _ in range(turns):
                for url, secs in (("/announce", plain), (META, asking)):
                    secs.append(1000 * getattr(asker, way)(scene.torrent(), url).secs)
            asker.close()
            more = statistics.median(asking) - statistics.median(plain)
            scene.findings.at_most(
                f"{way}, held for {hold} ms: median ms more than unasked", hold + SLACK[hold], more)
            if hold:
                scene.findings.at_least(
                    f"{way}, held for {hold} ms: fewest ms", hold - 20, min(asking))
    scene.findings.at_least(
        "upstreams that were asked", 4, sum(bool(upstream.seen()) for upstream in stalled))


def opentracker_is_understood(scene: Scene) -> None:
    """What Debian's opentracker knows is told, by UDP and by HTTP."""
    for proto in ("udp", "http"):
        torrent = scene.torrent()
        abroad = scene.opentracker([torrent])
        tracker = scene.tracker([abroad.url(proto)], *OPEN, "meta.hold 8000")
        strangers = {(network.address(number, 4, network.WAN), 7000) for number in (8, 9)}
        for address, port in strangers:
            asker = tracker.asker(address, port)
            asker.address, asker.port = abroad.addresses[0], abroad.port
            asker.http(torrent, "/announce")
        reply = tracker.asker().http(torrent)
        # It tells everybody of himself as well, and not by which address it knows us.
        found = reply.peers - {(OUTSIDE, 6881)}
        scene.findings.exactly(f"{proto}: peers found", len(strangers), len(found))
        scene.findings.exactly(f"{proto}: they are those", True, found == strangers)
        scene.findings.at_least(f"{proto}: peers counted", 2, reply.leechers + reply.seeders)
        asker = tracker.asker(STRANGER, 7001)
        asker.address, asker.port = abroad.addresses[0], abroad.port
        seen = asker.http(torrent, "/announce").peers
        scene.findings.exactly(
            f"{proto}: the client is known there at our address", True, (OUTSIDE, 6881) in seen)


def no_loops(scene: Scene) -> None:
    """Who lists itself, or another who lists it, asks everybody once per interval."""
    other = udp(scene)
    own = [f"{proto}://{address}:{{port}}/announce{query}" for proto in ("udp", "http")
           for address in (INSIDE, OUTSIDE) for query in ("", "?meta=1")]
    tracker = scene.tracker(
        [*own, other], *OPEN, "meta.allow_private yes", "meta.mode all", "meta.k 16")
    torrent = scene.torrent()
    tracker.asker().http(torrent)
    scene.becomes("the others are asked", lambda: other.seen("announce", torrent))
    first, second, between = scene.torrent(), udp(scene), scene.torrent()
    one = scene.tracker([second], *OPEN, "meta.allow_private yes", "meta.mode all")
    two = scene.tracker(
        [second, one.url("http").replace(INSIDE, OUTSIDE), f"udp://{OUTSIDE}:{one.port}/announce"],
        *OPEN, "meta.allow_private yes", "meta.mode all")
    one.upstreams += [
        two.url("http").replace(INSIDE, OUTSIDE), f"udp://{OUTSIDE}:{two.port}/announce"]
    one.write_upstreams()
    reload(scene, one)
    for asked in (one, two):
        asked.asker(CLIENT, 7000 + asked.port).http(first)
        asked.asker(CLIENT, 7000 + asked.port).http(between)
    for torrent_of_two in (first, between):
        scene.becomes(
            "both ask the one they have in common",
            lambda torrent_of_two=torrent_of_two: len(second.seen("announce", torrent_of_two)) > 1)
    # Whatever went in circles would have come round by now.
    scene.pass_by(2)
    scene.findings.at_most(
        "a list with itself: announces per announce", 1, len(other.seen("announce", torrent)))
    for torrent_of_two in (first, between):
        scene.findings.at_most(
            "lists with each other: announces of two clients", 2,
            len(second.seen("announce", torrent_of_two)))
    echo = scene.torrent()
    fence = scene.torrent()
    tracker.asker().http(echo, agent="trackerd-meta/0.1")
    tracker.asker().http(fence)
    scene.becomes("others are asked still", lambda: other.seen("announce", fence))
    scene.findings.exactly("asked for one of our kind", 0, len(other.seen("announce", echo)))


def reload(scene: Scene, tracker) -> None:
    """SIGHUP, and wait until it is heeded."""
    before = tracker.process.log.read_text(errors="replace").count("reload: done")
    tracker.process.hang_up()
    scene.until(
        lambda: tracker.process.log.read_text(errors="replace").count("reload: done") > before,
        "the reload is logged")


def strangers_get_what_is_here(scene: Scene) -> None:
    """A client from the WAN that asks for it gets the local swarm alone."""
    upstream = udp(scene)
    tracker = scene.tracker([upstream], *OPEN)
    torrent, fence = scene.torrent(), scene.torrent()
    tracker.asker(CLIENT2, 7002).http(torrent, "/announce")
    for way in ("http", "udp"):
        asker = tracker.asker(STRANGER, 7003)
        reply = getattr(asker, way)(torrent)
        asker.close()
        scene.findings.exactly(f"{way}: peers told", {(CLIENT2, 7002)}, set(reply.peers))
    tracker.asker().http(torrent, "/announce")
    tracker.asker().http(torrent, "/announce?meta=0")
    tracker.asker().http(fence)
    scene.becomes("a client of the LAN has it asked", lambda: upstream.seen("announce", fence))
    scene.findings.exactly("asked for the others", 0, len(upstream.seen("announce", torrent)))


def stopped_goes_where_started_went(scene: Scene) -> None:
    """Of six upstreams, those that were told of a start are told of the end, and no other."""
    six = [*(udp(scene) for _ in range(3)), *(http(scene) for _ in range(3))]
    tracker = scene.tracker(six, *OPEN, "meta.k 3", "meta.hold 0", "meta.pps 1000")
    for turn in range(3):
        torrent, asker = scene.torrent(), tracker.asker(CLIENT, 7000 + turn)
        def told(event: str, torrent=torrent) -> set:
            return {up.url for up in six if event in up.events(torrent)}
        asker.http(torrent, left=1)
        scene.becomes("three are told of the start", lambda: len(told("started")) >= 3)
        asker.http(torrent, left=0, event="completed")
        scene.becomes(
            "those are told of the completion", lambda: told("completed") == told("started"))
        asker.http(torrent, left=0, event="stopped")
        scene.becomes("those are told of the end", lambda: told("stopped") == told("started"))
        scene.findings.exactly("told of the start", 3, len(told("started")))
        scene.pass_by(0.3)
        ends = [event for up in six for event in up.events(torrent) if event == "stopped"]
        scene.findings.exactly("told of the end in all", 3, len(ends))
        ports = {seen.said["port"] for up in six for seen in up.seen("announce", torrent)}
        scene.findings.exactly("ports told", {str(7000 + turn)}, {str(port) for port in ports})
        peer_ids = {seen.said["peer_id"] for up in six for seen in up.seen("announce", torrent)}
        scene.findings.exactly("the client's own id", {asker.peer_id}, peer_ids)


def all_upstreams_die(scene: Scene) -> None:
    """Then the answer is what was known, or the local swarm; the interval is the usual one."""
    ups = [udp(scene), http(scene)]
    tracker = scene.tracker(ups, *OPEN, "meta.hold 3000")
    torrent, other = scene.torrent(), scene.torrent()
    peers = {peer for up in ups for peer in up.peers}
    asker = tracker.asker()
    scene.becomes("both are heard", lambda: asker.http(torrent).peers >= peers)
    for up in ups:
        up.close()
    reply = tracker.asker(CLIENT2, 7002).http(torrent)
    scene.findings.exactly("what was known is told", True, reply.peers >= peers)
    scene.findings.exactly("its interval is usual", True, reply.interval in INTERVALS)
    first = tracker.asker().http(other)
    second = tracker.asker(CLIENT2, 7002).http(other)
    scene.findings.at_most("seconds for an unknown torrent", 3.5, first.secs)
    scene.findings.exactly("then the local swarm is told", {(CLIENT, 6881)}, set(second.peers))
    for reply in (first, second):
        scene.findings.exactly("its interval is usual", True, reply.interval in INTERVALS)


def forged_datagrams(scene: Scene) -> None:
    """An announce with a connection id that was never given has nobody asked."""
    upstream = udp(scene)
    tracker = scene.tracker([upstream], *OPEN)
    forged, fence = scene.torrent(), scene.torrent()
    asker = tracker.asker()
    for connection_id in (0, 0xDEADBEEF, 0x41727101980, 1 << 63):
        with contextlib.suppress(NoReply):
            asker.udp(forged, connection_id=connection_id, patience=0.2)
    reply = asker.udp(fence)
    scene.findings.exactly("one answer to the right one", 0, asker.more_datagrams(0.3))
    scene.becomes("the right one has them asked", lambda: upstream.seen("announce", fence))
    asker.close()
    scene.findings.exactly("it is answered", True, reply is not None)
    scene.findings.exactly("asked for the forged", 0, len(upstream.seen("", forged)))


def six_is_not_announced(scene: Scene) -> None:
    """A client with an address of its own everywhere, IPv6, is announced to nobody."""
    ups = [udp(scene), http(scene), scene.use(UdpUpstream("good", ABROAD6, some_peers()))]
    tracker = scene.tracker(ups, *OPEN, "meta.allow_private yes")
    six, four = scene.torrent(), scene.torrent()
    for way in ("http", "udp"):
        asker = tracker.asker(CLIENT6)
        reply = getattr(asker, way)(six)
        asker.close()
        scene.findings.exactly(f"{way}: is answered", True, reply.interval in INTERVALS)
    tracker.asker().http(four)
    scene.becomes("an IPv4 client is announced", lambda: ups[0].seen("announce", four))
    announced = sum(len(up.seen("announce", six)) for up in ups)
    scene.findings.exactly("announces for IPv6", 0, announced)


def private_places_are_not_asked(scene: Scene) -> None:
    """By no road: a file, a list, a name or a redirect."""
    inner = [("127.0.0.1", "HTTP on loopback"), (CLIENT2, "HTTP in the LAN"), ("::1", "on ::1")]
    hidden = [scene.use(HttpUpstream("good", address, some_peers())) for address, _ in inner]
    hidden.append(scene.use(UdpUpstream("good", "127.0.0.1", some_peers())))
    hidden.append(scene.use(UdpUpstream("good", CLIENT2, some_peers())))
    urls = [up.url for up in hidden]
    urls += [f"http://localhost:{hidden[0].port}/announce",
             f"http://[::ffff:127.0.0.1]:{hidden[0].port}/announce",
             f"http://2130706433:{hidden[0].port}/announce"]
    redirects = [http(scene, "redirect", target=up.url) for up in hidden[:3]]
    redirects.append(http(scene, "redirect", target="file:///etc/passwd"))
    good = http(scene)
    through = http(scene, "redirect", target=good.url)
    listing = http(scene, lines=[*urls, good.url, "http://tracker.invalid/announce",
                                 "wss://a.b/announce", "nonsense", "http://45.77.0.2:0/announce"])
    secret = http(scene)
    keyed = [f"http://{secret.place}/0123456789abcdef0123456789abcdef/announce",
             f"http://{secret.place}/announce?passkey=0123456789abcdef"]
    tracker = scene.tracker(
        [*urls, *redirects, through, *keyed], *OPEN, *PLENTY, f"meta.list_url {listing.list_url}",
        f"meta.list_url http://127.0.0.1:{hidden[0].port}/list")
    torrent = scene.torrent()
    scene.becomes("the list is fetched", lambda: listing.seen("list"))
    scene.until(lambda: tracker.upstream(good.url), "what it lists is known")
    tracker.asker().http(torrent)
    scene.becomes("the good one of the list is asked", lambda: good.seen("announce", torrent))
    scene.becomes("it is asked by a redirect too", lambda: len(good.seen("announce")) >= 2)
    scene.becomes("those who redirect are asked", lambda: all(up.seen() for up in redirects))
    scene.becomes("no redirect has led anywhere", lambda: all(
        _is_given_up(tracker, up) for up in redirects))
    scene.findings.exactly("requests in private", 0, sum(len(up.seen()) for up in hidden))
    scene.findings.exactly("URLs with keys that were asked", 0, len(secret.seen()))


def _is_given_up(tracker, up) -> bool:
    """Whether an upstream has failed, or isn't asked any more."""
    said = tracker.upstream(up.url)
    return int(said.get("fail", 0)) > 0 or said.get("state") in ("barred", "paused")


def every_defect(scene: Scene) -> None:
    """Of upstreams with every defect there is: what is right is told, and nothing else."""
    good_https = certificate(scene.directory, ABROAD)
    ups = [udp(scene, behaviour) for behaviour in UDP_BEHAVIOURS if behaviour != "forgetful"]
    ups += [http(scene, behaviour) for behaviour in HTTP_BEHAVIOURS if behaviour != "redirect"]
    behind = http(scene)
    ups.append(http(scene, "redirect", target=behind.url))
    ups.append(http(scene, certificate=good_https))
    ups.append(http(scene, peers6=[("2a00::1", 7000)]))
    bogons = [("127.0.0.1", 1), ("10.0.0.1", 2), ("192.168.1.1", 3), ("0.0.0.0", 4),
              ("224.0.0.1", 5), ("169.254.1.1", 6), ("100.64.0.1", 7), ("46.0.0.0", 0)]
    mixed = http(scene)
    mixed.peers = [*bogons, *mixed.peers]
    ups.append(mixed)
    tracker = scene.tracker(
        ups, *OPEN, *PLENTY, "meta.hold 0", authority=good_https.authority)
    torrent = scene.torrent()
    right = [up for up in [*ups, behind] if up.behaviour not in (
        "redirect", *(UDP_DEFECTS if isinstance(up, UdpUpstream) else HTTP_DEFECTS))]
    right = [up for up in right if up.behaviour not in ("empty", *HTTP_PEERLESS)]
    expected = {peer for up in right for peer in up.peers} - set(bogons)
    asker = tracker.asker(CLIENT, 7000)
    told = set()
    def heard() -> bool:
        told.update(asker.http(torrent, event="", numwant=200).peers)
        return told >= expected and all(up.seen() for up in ups)
    with contextlib.suppress(Missed):
        scene.until(heard, "the peers of all that answer rightly are told", 40)
    missing = [up.behaviour for up in right if set(up.peers) & (expected - told)]
    scene.findings.exactly(
        "upstreams whose peers are missing", "none", ", ".join(missing) or "none")
    extra = {peer for peer in told - expected if ":" not in peer[0]} - {(CLIENT, 7000)}
    scene.findings.none("peers that nobody should be told of", sorted(extra))
    scene.findings.exactly("each asked", len(ups), sum(bool(up.seen()) for up in ups))
    polite = [up for up in ups if isinstance(up, HttpUpstream)]
    said = [seen.said for up in polite for seen in up.seen("announce")]
    scene.findings.exactly("compact=1", {"1"}, {one.get("compact") for one in said})
    scene.findings.exactly("no_peer_id=1", {"1"}, {one.get("no_peer_id") for one in said})
    scene.findings.exactly("no cookies", {""}, {one["cookie"] for one in said})
    failing = [up for up in ups if up.behaviour in (
        UDP_DEFECTS if isinstance(up, UdpUpstream) else HTTP_DEFECTS)]
    with contextlib.suppress(Missed):
        scene.until(lambda: all(_is_given_up(tracker, up) for up in failing), "", 30)
    scene.findings.none(
        "defects that went unnoticed",
        [up.behaviour for up in failing if not _is_given_up(tracker, up)])
    scene.findings.at_most("memory in KB", 16 << 10, tracker.memory_kb())
    scene.findings.exactly("it lives", None, tracker.exit_code)
    scene.findings.at_least("behaviours that were right", 12, len(right))


def a_connection_id_is_refused(scene: Scene) -> None:
    """By one that has forgotten it; the next is taken."""
    up = udp(scene, "forgetful")
    tracker = scene.tracker([up], *OPEN, "meta.refresh 5", "meta.hold 0")
    torrent, asker = scene.torrent(), tracker.asker()
    scene.becomes("its peers are told all the same", lambda: asker.http(
        torrent, event="").peers >= set(up.peers), 100)
    scene.findings.at_least("connection ids fetched", 2, len(up.seen("connect")))


def paused_is_not_passed_on(scene: Scene) -> None:
    """BEP 21's event is for us alone; it comes to others as an update without event, or not."""
    up = http(scene)
    tracker = scene.tracker([up], *OPEN, "meta.refresh 5")
    torrent = scene.torrent()
    tracker.asker().http(torrent, event="paused")
    scene.becomes("it is passed on", lambda: up.seen("announce", torrent))
    scene.findings.exactly("paused", 0, up.events(torrent).count("paused"))
    scene.findings.exactly(
        "in the query", 0, sum("paused" in one.said["query"] for one in up.seen("announce")))


def one_datagram_each(scene: Scene) -> None:
    """However many upstreams there are and whatever they have, a datagram gets one answer."""
    ups = [udp(scene), udp(scene, "empty"), udp(scene), http(scene, "empty")]
    tracker = scene.tracker(ups, *OPEN, "meta.hold 2000")
    asker = tracker.asker()
    replies = [asker.udp(scene.torrent()) for _ in range(5)]
    scene.findings.exactly("answers", 5, sum(reply is not None for reply in replies))
    scene.findings.exactly("datagrams beyond", 0, asker.more_datagrams(0.5))
    want = {peer for up in (ups[0], ups[2]) for peer in up.peers}
    scene.findings.exactly("all peers are in it", 5, sum(r.peers >= want for r in replies if r))
    connects = len(ups[0].seen("connect"))
    scene.findings.at_most("connection ids fetched for five announces", 1, connects)
    asker.close()


def scrapes_tell_the_largest_counts(scene: Scene) -> None:
    """Of all sources, from memory."""
    ups = [udp(scene, seeders=40, leechers=3), http(scene, seeders=5, leechers=60)]
    tracker = scene.tracker(ups, *OPEN, "meta.hold 2000")
    torrent, asker = scene.torrent(), tracker.asker()
    asker.http(torrent)
    scene.becomes(
        "the largest of all", lambda: asker.scrape(torrent)[:2] == (40, 60), 10)
    plain = asker.scrape(torrent, "/scrape?x=1")[:2]
    scene.findings.exactly("without meta, what is here", (0, 1), plain)
    reply = asker.http(torrent, event="")
    scene.findings.at_least("seeders in the answer", 40, reply.seeders)
    scene.findings.at_least("leechers in the answer", 60, reply.leechers)


def health_is_kept(scene: Scene) -> None:
    """What is known of upstreams survives a restart."""
    good, bad = udp(scene), http(scene, "HTML")
    settings = [*OPEN, f"meta.state {scene.directory}/state"]
    scene.directory.chmod(0o777)
    tracker = scene.tracker([good, bad], *settings)
    for _ in range(3):
        tracker.asker().http(scene.torrent())
    scene.becomes(
        "successes and failures are counted",
        lambda: int(tracker.upstream(good.url).get("success", 0)) > 1
        and int(tracker.upstream(bad.url).get("fail", 0)) > 0)
    before = [tracker.upstream(up.url) for up in (good, bad)]
    scene.findings.exactly("exit code", 0, tracker.process.terminate(5.0))
    again = scene.tracker([good, bad], *settings)
    scene.until(lambda: again.upstream(good.url), "it knows them")
    after = [again.upstream(up.url) for up in (good, bad)]
    for name in ("success", "fail"):
        scene.findings.exactly(
            f"{name} after the restart", [row.get(name) for row in before],
            [row.get(name) for row in after])
    scene.findings.exactly("files left over", ["state"], sorted(
        path.name for path in scene.directory.iterdir() if path.name.startswith("state")))


def lists_are_read_again(scene: Scene) -> None:
    """A file on SIGHUP; what a list said before is good while it can't be had."""
    first, second, third = udp(scene), udp(scene), udp(scene)
    scene.directory.chmod(0o777)
    listing = http(scene, lines=[third.url])
    settings = [
        *OPEN, f"meta.list_url {listing.list_url}", f"meta.state {scene.directory}/state"]
    tracker = scene.tracker([first], *settings)
    scene.until(lambda: tracker.upstream(third.url), "what is on the list is known")
    tracker.upstreams = [first.url, second.url]
    tracker.write_upstreams()
    reload(scene, tracker)
    torrent = scene.torrent()
    scene.until(lambda: tracker.upstream(second.url), "the file is read again")
    tracker.asker().http(torrent)
    for up, name in ((first, "old"), (second, "new"), (third, "listed")):
        scene.becomes(f"the {name} one is asked", lambda up=up: up.seen("announce", torrent))
    tracker.process.terminate(5.0)
    listing.close()
    again, later = scene.tracker([first], *settings), scene.torrent()
    scene.until(lambda: again.upstream(third.url), "the list is known from before")
    again.asker().http(later)
    scene.becomes("the listed one is asked offline", lambda: third.seen("announce", later))


def one_client_asks_for_everything(scene: Scene) -> None:
    """10 000 torrents of one client: as many as he may have are passed on."""
    up = udp(scene)
    tracker = scene.tracker(
        [up], *OPEN, "meta.hold 0", "meta.client_swarms 50", "meta.swarms_max 80", "meta.pps 1000")
    asker = tracker.asker()
    asker.flood([scene.torrent() for _ in range(10_000)])
    before = tracker.memory_kb()
    asker.flood([scene.torrent() for _ in range(2_000)])
    asker.close()
    scene.findings.at_most("swarms passed on", 50, tracker.figure("swarms"))
    asked = {seen.info_hash for seen in up.seen("announce")}
    scene.findings.at_most("torrents that were told", 50, len(asked))
    scene.findings.at_least("torrents that were told", 1, len(asked))
    scene.findings.at_most("memory by 2 000 more, KB", 1024, tracker.memory_kb() - before)
    other, torrent = tracker.asker(CLIENT2), scene.torrent()
    other.http(torrent)
    scene.becomes("another client still has his share", lambda: up.seen("announce", torrent))


def a_door_of_its_own(scene: Scene) -> None:
    """At `meta.listen`, everything is taken for asking; a list denies, a key in the URL too."""
    up = udp(scene)
    denied = scene.torrent()
    deny = scene.directory / "deny"
    deny.write_text(denied.hex() + "\n")
    with socket.socket() as taken:
        taken.bind((INSIDE, 0))
        port = taken.getsockname()[1]
    tracker = scene.tracker(
        [up], *OPEN, f"meta.listen {INSIDE}:{port}", f"meta.deny {deny}")
    asker = tracker.asker()
    asker.port = port
    for way in ("http", "udp"):
        torrent = scene.torrent()
        getattr(asker, way)(torrent, "/announce" if way == "http" else "")
        scene.becomes(f"{way}: has them asked", lambda: up.seen("announce", torrent))
    keyed, fence = scene.torrent(), scene.torrent()
    asker.http(denied)
    for url in ("/announce?meta=1&passkey=0123456789abcdef", "/0123456789abcdef0123/announce"):
        try:
            asker.http(keyed, url)
        except NoReply:
            pass
    asker.http(fence)
    asker.close()
    scene.becomes("others are", lambda: up.seen("announce", fence))
    scene.findings.exactly("asked for what is denied", 0, len(up.seen("", denied)))
    scene.findings.exactly("asked for what has a key", 0, len(up.seen("", keyed)))


def the_ratio_rule(scene: Scene) -> None:
    """`meta.select ratio`: all that are new, then each with the probability of its successes."""
    good, bad = udp(scene), http(scene, "HTML")
    tracker = scene.tracker([good, bad], *OPEN, "meta.select ratio", "meta.hold 0", "meta.pps 1000")
    torrents = [scene.torrent() for _ in range(30)]
    for torrent in torrents:
        tracker.asker().http(torrent)
        scene.until(lambda torrent=torrent: good.seen("announce", torrent), "the good one is asked")
    scene.findings.exactly("the good one is asked always", 30, sum(
        bool(good.seen("announce", torrent)) for torrent in torrents))
    scene.findings.at_least("the bad one is asked", 1, len(bad.seen("announce")))
    scene.findings.at_most("the bad one is asked", 20, len(bad.seen("announce")))
    scene.findings.exactly("its rate", True, float(tracker.upstream(bad.url)["rate"]) <= 0.5)
    scene.findings.exactly("the other's", "1.00", tracker.upstream(good.url)["rate"])


def never_the_first(scene: Scene) -> None:
    """A torrent is announced only where it is known, unless the operator allows it."""
    ignorant = udp(scene, seeders=0, leechers=0)
    knowing, ignorant_http = http(scene), http(scene, seeders=0, leechers=0)
    allow, allowed = scene.directory / "allow", scene.torrent()
    allow.write_text(allowed.hex() + "\n")
    ups = [ignorant, knowing, ignorant_http]
    tracker = scene.tracker(
        ups, "meta.public_proof no", f"meta.allow {allow}", "meta.hold 3000")
    torrent = scene.torrent()
    reply = tracker.asker().http(torrent)
    scene.becomes("it is told who knows it", lambda: knowing.seen("announce", torrent))
    scene.findings.exactly("its peers come at once", True, reply.peers >= set(knowing.peers))
    scene.becomes("the ignorant are asked whether they do", lambda: ignorant.seen("scrape", torrent)
                  and ignorant_http.seen("scrape", torrent))
    tracker.asker().http(allowed)
    scene.becomes("what is allowed is told all", lambda: all(
        up.seen("announce", allowed) for up in ups))
    told = sum(len(up.seen("announce", torrent)) for up in (ignorant, ignorant_http))
    scene.findings.exactly("told to those who don't know it", 0, told)
