"""Tests of what judges the trackers: `python3 -m unittest test_torture`."""

import unittest

import messages
from attack_http import HIDDEN, is_smuggled, split
from attack_numbers import is_defined
from attack_udp import proves_nothing
from findings import Findings, table
from half_open import checksum, opening


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


class Scene:
    """Of a scene, what the judges need."""

    def __init__(self):
        self.findings = Findings("test", "1")

    @property
    def met(self) -> list[bool]:
        return [row.is_met for row in self.findings.rows]


class Judges(unittest.TestCase):
    def test_answers_are_told_from_noise(self):
        two = answer(b"d1:ae") + answer(b"", b"404 Not Found")
        self.assertEqual(split(two), [(b"200", b"d1:ae"), (b"404", b"")])
        for noise in (b"hello", b"HTTP/1.1 200 OK\r\n", answer(b"abc")[:-1], answer(b"") + b"x",
                      b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"):
            self.assertEqual(split(noise), [], noise)

    def test_an_answer_to_the_hidden_request_gives_smuggling_away(self):
        self.assertIn(b"/stats", HIDDEN)
        page = answer(b"0\n0\nopentracker serving 0 torrents\nopentracker")
        self.assertTrue(is_smuggled(answer(b"de") + page))
        self.assertFalse(is_smuggled(page))
        self.assertFalse(is_smuggled(answer(b"de")))

    def test_answers_without_meaning_are_told(self):
        for body in (b"d14:failure reason1:xe", b"d8:intervali60e5:peers6:\x7f\0\0\1\x1a\xe1e"):
            self.assertTrue(is_defined(body), body)
        for body in (b"", b"d", b"de", b"d8:intervali0e5:peers0:e", b"d8:intervali60e5:peers0:ex",
                     b"d8:intervali60e5:peers6:\x7f\0\0\1\0\0e"):
            self.assertFalse(is_defined(body), body)

    def test_replies_larger_than_the_request_or_with_peers_are_found(self):
        asked = [messages.connect(1), messages.scrape(0, 2, [])]
        cases = {
            bytes(4) + b"\0\0\0\1" + bytes(8): [True, True],
            b"\0\0\0\3" + b"\0\0\0\2" + b"a longer text": [False, True],
            b"\0\0\0\2" + b"\0\0\0\2": [True, False],
            b"\0\0\0\3" + b"\0\0\0\7": [False, True]}
        for reply, met in cases.items():
            scene = Scene()
            proves_nothing(scene, asked, [reply], "replies")
            self.assertEqual(scene.met, met, reply)

    def test_criteria_are_met_up_to_their_limit(self):
        scene = Scene()
        scene.findings.at_most("memory", 10, 10)
        scene.findings.at_most("memory", 10, 11)
        scene.findings.at_least("served", 10, 9)
        scene.findings.exactly("alive", True, False)
        scene.findings.none("lost", [])
        scene.findings.none("lost", ["one"])
        scene.findings.none("lost", [])
        self.assertEqual(scene.met, [True, False, False, False, True, False])
        self.assertEqual(table(scene.findings.rows).count("FAIL"), 4)


class Packets(unittest.TestCase):
    def test_the_checksum_is_the_internets(self):
        # The header in RFC 1071's manner: with its own checksum in it, the sum is nothing.
        head = bytes.fromhex("4500003c1c4640004006b1e6ac100a63ac100a0c")
        self.assertEqual(checksum(head), 0)
        self.assertEqual(len(opening(1, "127.0.0.1", 80)), 40)

    def test_announces_are_as_long_as_they_should_be(self):
        datagram = messages.announce(1, 2, numwant=-1, port=1 << 64)
        self.assertEqual(len(datagram), messages.ANNOUNCE_LEN)
        self.assertEqual(datagram[-6:], b"\xff\xff\xff\xff\0\0")


if __name__ == "__main__":
    unittest.main()
