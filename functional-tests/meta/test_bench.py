"""Tests of the bench's own parts, on 127.0.0.1: that the others are what they say they are."""

import contextlib
import gzip
import http.client
import socket
import struct
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "clients"), str(HERE.parent / "torture")]

import bencode  # noqa: E402
import messages  # noqa: E402

import peer  # noqa: E402
import upstreams  # noqa: E402
from asking import url_data  # noqa: E402
from upstreams import HttpUpstream, UdpUpstream  # noqa: E402

HOST = "127.0.0.1"
HASH = bytes(range(20))
PEERS = [("45.0.0.1", 1000), ("45.0.0.2", 1001)]
COMPACT = bytes([45, 0, 0, 1, 3, 232, 45, 0, 0, 2, 3, 233])


class Udp(unittest.TestCase):
    def ask(self, upstream, datagram):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2 if upstream.behaviour in ("good", "empty", "cut") else 0.3)
            sock.connect((upstream.host, upstream.port))
            sock.send(datagram)
            with contextlib.suppress(TimeoutError):
                return sock.recv(4096)

    def announced(self, behaviour):
        with UdpUpstream(behaviour, HOST, PEERS) as upstream:
            datagram = messages.announce(
                upstreams.CONNECTION_ID, 7, info_hash=HASH, port=99, event=2, key=5)
            answers = [self.ask(upstream, messages.connect(6)), self.ask(upstream, datagram)]
            return upstream, *answers

    def test_a_good_one_counts_and_answers(self):
        upstream, connected, announced = self.announced("good")
        connection_id = struct.pack("!Q", upstreams.CONNECTION_ID)
        self.assertEqual(connected, struct.pack("!II", 0, 6) + connection_id)
        self.assertEqual(announced, struct.pack("!IIIII", 1, 7, 1800, 2, 3) + COMPACT)
        kinds = [seen.kind for seen in upstream.seen()]
        self.assertEqual(kinds, ["connect", "announce"])
        said = upstream.seen("announce", HASH)[0].said
        self.assertEqual((said["port"], said["key"], said["left"]), (99, 5, 1))
        self.assertEqual(upstream.events(HASH), ["started"])

    def test_connection_ids_are_checked(self):
        with UdpUpstream("good", HOST) as upstream:
            answer = self.ask(upstream, messages.announce(5, 7, info_hash=HASH))
        self.assertEqual(answer, struct.pack("!II", 3, 7) + b"Connection ID missmatch.\0")

    def test_scrapes_are_answered(self):
        with UdpUpstream("good", HOST) as upstream:
            datagram = messages.scrape(upstreams.CONNECTION_ID, 7, [HASH, HASH])
            answer = self.ask(upstream, datagram)
        self.assertEqual(answer, struct.pack("!II", 2, 7) + struct.pack("!III", 3, 7, 2) * 2)

    def test_the_defects_are_there(self):
        expected = {
            "silent": (False, None), "deaf": (True, None), "eight": (True, 8),
            "empty": (True, 20), "cut": (True, 20 + 12 + 3)}
        for behaviour, (connects, length) in expected.items():
            _, connected, announced = self.announced(behaviour)
            self.assertEqual(connected is not None, connects, behaviour)
            self.assertEqual(announced and len(announced), length, behaviour)
        _, connected, _ = self.announced("wrong transaction")
        self.assertNotEqual(connected[4:8], struct.pack("!I", 6))
        self.assertEqual(self.announced("error")[2][:8], struct.pack("!II", 3, 7))
        self.assertEqual(self.announced("forgetful")[2][:8], struct.pack("!II", 3, 7))
        self.assertIsNone(self.announced("lossy")[1])


class Http(unittest.TestCase):
    def get(self, behaviour, **more):
        with HttpUpstream(behaviour, HOST, PEERS, **more) as upstream:
            connection = http.client.HTTPConnection(HOST, upstream.port, timeout=3)
            path = messages.target(HASH, event="started")
            connection.request("GET", path, headers={"User-Agent": "tester"})
            response = connection.getresponse()
            body = response.read()
            connection.close()
            return upstream, response, body

    def test_a_good_one_counts_and_answers(self):
        upstream, response, body = self.get("good")
        said = bencode.decode(body)
        self.assertEqual((said[b"peers"], said[b"interval"]), (COMPACT, 1800))
        seen = upstream.seen("announce", HASH)[0]
        self.assertEqual((seen.event, seen.said["agent"]), ("started", "tester"))
        self.assertEqual(seen.said["compact"], "1")

    def test_the_same_in_other_clothes(self):
        for behaviour in ("chunked", "until the end", "cookie"):
            self.assertEqual(bencode.decode(self.get(behaviour)[2])[b"peers"], COMPACT, behaviour)
        packed = gzip.decompress(self.get("gzip")[2])
        self.assertEqual(bencode.decode(packed)[b"peers"], COMPACT)
        listed = bencode.decode(self.get("dictionaries")[2])[b"peers"]
        self.assertEqual([(one[b"ip"], one[b"port"]) for one in listed],
                         [(b"45.0.0.1", 1000), (b"45.0.0.2", 1001)])
        self.assertNotIn(b"min interval", bencode.decode(self.get("no min interval")[2]))

    def test_the_defects_are_there(self):
        self.assertIn(b"failure reason", bencode.decode(self.get("failure")[2]))
        self.assertEqual(self.get("HTML 404")[1].status, 404)
        self.assertEqual(len(self.get("10 MB")[2]), 10 << 20)
        with self.assertRaises(ValueError):
            bencode.decode(self.get("cut")[2])
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.get("hangs up")
        with self.assertRaises(OSError):
            self.get("stall")
        _, response, _ = self.get("redirect", target="http://127.0.0.1:1/announce")
        self.assertEqual(response.status, 302)
        self.assertTrue(response.getheader("Location").startswith("http://127.0.0.1:1/announce?"))

    def test_lists_and_scrapes(self):
        with HttpUpstream("good", HOST, lines=["udp://a:1", "# no"]) as upstream:
            connection = http.client.HTTPConnection(HOST, upstream.port, timeout=3)
            connection.request("GET", "/list")
            self.assertEqual(connection.getresponse().read(), b"udp://a:1\n\n# no\n\n")
            connection.close()
            connection.request("GET", "/scrape?info_hash=%00%01abcdefghijklmnopqr")
            files = bencode.decode(connection.getresponse().read())[b"files"]
            connection.close()
        self.assertEqual(files[b"\0\1abcdefghijklmnopqr"][b"complete"], 3)

    def test_certificates_are_believed_by_those_who_believe_the_authority(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate = upstreams.certificate(Path(folder), HOST)
            with HttpUpstream("good", HOST, certificate=certificate) as upstream:
                for authority, believed in ((certificate.authority, True), (None, False)):
                    context = upstreams.ssl.create_default_context(cafile=authority)
                    connection = http.client.HTTPSConnection(
                        HOST, upstream.port, timeout=3, context=context)
                    try:
                        connection.request("GET", "/list")
                        self.assertTrue(believed)
                    except upstreams.ssl.SSLError:
                        self.assertFalse(believed)
                    connection.close()


class Peers(unittest.TestCase):
    def test_what_they_say_of_themselves(self):
        expected = {
            "public": "yes", "private": "no", "private but given": "no", "magnet": "unknown",
            "no extensions": "no", "invented metadata": "forged"}
        for kind, said in expected.items():
            with peer.Peer(kind, HOST) as other:
                self.assertEqual(peer.proof(HOST, other.port, other.info_hash), said, kind)
                self.assertEqual(other.visits, [other.info_hash])

    def test_they_do_not_talk_about_other_torrents(self):
        with peer.Peer("public", HOST) as other, self.assertRaises(ConnectionError):
            peer.proof(HOST, other.port, bytes(20))

    def test_they_tell_of_others(self):
        with peer.Peer("public", HOST, PEERS) as other:
            with socket.create_connection((HOST, other.port), 3) as stream:
                stream.sendall(peer.handshake(other.info_hash))
                peer.receive(stream, 68)
                peer.extension_handshake(stream)
                stream.sendall(peer.extended(0, bencode.encode({"m": {"ut_pex": 9}})))
                told = peer.message(stream, 9)
        self.assertEqual(bencode.decode(told)[b"added"], COMPACT)


class Urls(unittest.TestCase):
    def test_they_are_cut_into_options(self):
        self.assertEqual(url_data("/a?b"), b"\x02\x04/a?b\0")
        self.assertEqual(len(url_data("x" * 300)), 300 + 4 + 1)
        self.assertEqual(url_data(""), b"")


if __name__ == "__main__":
    unittest.main()
