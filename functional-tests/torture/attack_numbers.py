"""Every number of a request at every boundary."""

from __future__ import annotations

import bencode
import messages
from scene import Scene

PARAMETERS = [
    "port", "left", "uploaded", "downloaded", "numwant", "num want", "compact", "no_peer_id",
    "corrupt", "key", "ip", "ipv4", "ipv6", "event", "supportcrypto", "redundant", "trackerid"]
VALUES = [
    *(str(sign * (1 << bits) + off) for bits in (0, 7, 8, 15, 16, 31, 32, 63, 64, 128)
      for sign in (1, -1) for off in (-1, 0, 1)),
    "", "+1", "-0", "00000000001", "0" * 1000 + "1", "9" * 3000, "1e99", "1.5", "0x10", "NaN",
    "%00", "1%00", "%2d1", "1%20", "%31", "%", "%4", "%zz", "\xb2", "a", "started", "1,2"]
HTTP_BYTES_MAX = 64 << 10
FIELDS = ["downloaded", "left", "uploaded", "event", "ip", "key", "numwant", "port"]
BOUNDS = sorted({(1 << bits) + off for bits in (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64)
                 for off in (-2, -1, 0, 1)} | {65535, 200, 1000, 1001})
TORRENT = messages.torrent(2)


def numbers_by_http(scene: Scene) -> None:
    """Whatever the number: a bencoded answer, and never a peer that nobody could reach."""
    asked = [(name, value) for name in PARAMETERS for value in VALUES]
    unanswered, wrong, longest = [], [], 0
    with scene.serving() as _, scene.probe() as probe:
        for name, value in asked:
            path = messages.target(TORRENT, **{name.replace(" ", "%20"): value})
            try:
                status, body = scene.page(path)
                longest = max(longest, len(body))
                if status == 200 and not is_defined(body):
                    wrong.append(f"{name}={value[:20]}: {body[:60]!r}")
                elif status not in (200, 400):
                    wrong.append(f"{name}={value[:20]}: status {status}")
            except (OSError, ValueError) as error:
                unanswered.append(f"{name}={value[:20]}: {error!r}")
        scene.findings.none(f"unanswered of {len(asked):,}", unanswered)
        scene.findings.none("answers that are not defined", wrong)
        scene.findings.at_most("longest answer", HTTP_BYTES_MAX, longest, " bytes")
        scene.modest()
    scene.unharmed(probe)


def is_defined(body: bytes) -> bool:
    """A failure, or an interval and peers none of which has port 0."""
    try:
        answer = bencode.decode(body)
    except (ValueError, IndexError):
        return False
    if b"failure reason" in answer:
        return True
    peers = answer.get(b"peers", b"")
    if isinstance(peers, list):
        ports = [peer[b"port"] for peer in peers]
    else:
        ports = [int.from_bytes(peers[at + 4:at + 6], "big") for at in range(0, len(peers), 6)]
    return answer.get(b"interval", 0) > 0 and 0 not in ports


def numbers_by_udp(scene: Scene) -> None:
    """The same by UDP, two fields at a time; what is proven is always answered."""
    with scene.serving() as _, scene.udp() as udp, scene.probe() as probe:
        good = udp.connection_id()
        sent = []
        for number, name in enumerate(FIELDS):
            for value in BOUNDS:
                for other in ({}, {FIELDS[number - 1]: BOUNDS[-1]}, {FIELDS[number - 1]: 0}):
                    said = {"info_hash": TORRENT, name: value, **other}
                    sent.append(messages.announce(good, len(sent), **said))
        answers = udp.answers_to_all(sent, window=8)
        if scene.is_trackerd:
            scene.findings.at_least(
                f"answered of {len(sent):,}", int(len(sent) * 0.99), len(answers))
        scene.findings.at_most(
            "longest answer", messages.DATAGRAM_LEN_MAX, max(map(len, answers)), " bytes")
        scene.findings.none("answers with a port 0", [
            answer.hex() for answer in answers if messages.action(answer) == messages.ANNOUNCE
            and any(answer[at + 4:at + 6] == b"\0\0" for at in range(20, len(answer), 6))])
        scene.modest()
    scene.unharmed(probe)
