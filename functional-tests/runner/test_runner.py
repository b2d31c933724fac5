"""The runner itself: it has to read scenarios as they are meant, and it must be able to fail."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import threading
import unittest
from pathlib import Path

import expect
import grammar
import strict
import text
from lanes import HttpAnswer, UdpAnswer
from server import Refused
from stage import Mismatch, Stage, check_lines

BODY = (
    b"d8:completei1e10:downloadedi0e10:incompletei2e8:intervali1800e12:min intervali900e"
    b"5:peers12:\x7f\0\0\x01\x03\xe9\x7f\0\0\x01\x03\xeae")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"


def resolve(words):
    names = {("raw", "A"): b"a" * 20, ("hex", "A"): b"61" * 20}
    if tuple(words) not in names:
        raise text.BadText(f"unknown placeholder {words}")
    return names[tuple(words)]


def http(body: bytes) -> HttpAnswer:
    head = HEAD % len(body)
    return HttpAnswer(head[:-2], body, head + body)


def holds(line: str, answer, torrents=()) -> bool:
    try:
        expect.check(line, answer, resolve, list(torrents))
    except expect.Wrong:
        return False
    return True


def _escaped(match) -> str:
    return f"\\x{ord(match[0]):02x}"


class Texts(unittest.TestCase):
    def test_escapes_and_placeholders(self):
        made = text.literal(r"a\r\n\x00\\{repeat 3 x{text y}}{raw A}{u16 258}", resolve)
        self.assertEqual(made, b"a\r\n\0\\xyxyxy" + b"a" * 20 + b"\x01\x02")

    def test_hexadecimal(self):
        made = text.literal("0a0B {u32 -1} {text hi} {repeat 2 00ff}", resolve, hexadecimal=True)
        self.assertEqual(made, b"\x0a\x0b\xff\xff\xff\xffhi\0\xff\0\xff")

    def test_nonsense_is_refused(self):
        for bad in (r"\q", "{no such}", "{any}", "{", "a}", "{repeat 2 {"):
            with self.assertRaises(text.BadText):
                text.literal(bad, resolve)
        with self.assertRaises(text.BadText):
            text.literal("0", resolve, hexadecimal=True)

    def test_shown_bytes_are_those_that_are_written(self):
        data = bytes(range(256))
        self.assertEqual(text.literal(re.sub("[{}]", _escaped, text.show(data)), resolve), data)
        self.assertIn("and 8800 bytes more", text.show(b"x" * 10000))


class Patterns(unittest.TestCase):
    def test_wildcards(self):
        for pattern, data, matches in [
            ("abc", b"abc", True), ("abc", b"abcd", False), ("a.c", b"abc", False),
            ("a{any}c", b"a\n\0c", True), ("a{any 2}c", b"abbc", True),
            ("a{any 2}c", b"abc", False), ("{raw A}", b"a" * 20, True),
        ]:
            self.assertEqual(expect.Pattern(pattern, resolve).is_all_of(data), matches, pattern)
        self.assertTrue(expect.Pattern("b{any 1}", resolve).is_in(b"abbc"))
        self.assertTrue(expect.Pattern("00{any 1}ff", resolve, True).is_all_of(b"\0x\xff"))


class Expectations(unittest.TestCase):
    def test_values_of_http(self):
        for line, expected in [
            ("complete = 1", True), ("complete = 2", False), ("incomplete > 1", True),
            ("incomplete != 2", False), ("interval in 1620..1979", True),
            ("interval in 1..2", False), ("min interval = 900", True), ("nothing = 1", False),
            ("no key tracker id", True), ("no key interval", False),
            ("keys are complete, downloaded, incomplete, interval, min interval, peers", True),
            ("keys are complete", False), ("status 200", True), ("status 404", False),
            ("header content-type: text/{any}", True), ("header Content-Type: text", False),
            ("header Location: x", False), ("no header Location", True),
            ("no header Content-Length", False), ("body contains incompletei2e", True),
            ("body contains incompletei3e", False), ("body lacks incompletei3e", True),
            ("body lacks incompletei2e", False), ("body d{any}e", True), ("body d{any}f", False),
            (f"length = {len(BODY)}", True), ("length < 10", False), ("form compact", True),
            ("form dictionaries", False), ("head HTTP/1.1 200{any}", True), ("head x", False),
        ]:
            self.assertEqual(holds(line, http(BODY)), expected, line)

    def test_peers(self):
        for line, expected in [
            ("peers are 127.0.0.1:1001-1002", True), ("peers are 127.0.0.1:1001", False),
            ("peers are 127.0.0.1:1002, 127.0.0.1:1001", True), ("peers are none", False),
            ("peers are 127.0.0.1:1001-1003", False), ("peers count = 2", True),
            ("peers count < 2", False), ("peers among 127.0.0.1:1-2000", True),
            ("peers among 127.0.0.1:1001", False), ("peers include 127.0.0.1:1002", True),
            ("peers include [::1]:1002", False),
        ]:
            self.assertEqual(holds(line, http(BODY)), expected, line)
        listed = http(b"d5:peersld2:ip3:::14:porti9eeee")
        self.assertTrue(holds("peers are [::1]:9", listed))
        self.assertTrue(holds("peers / 0 / ip = ::1", listed))
        self.assertTrue(holds("no key peers / 0 / peer id", listed))
        self.assertFalse(holds("peers / 1 / ip = ::1", listed))
        twice = http(BODY.replace(b"\x03\xea", b"\x03\xe9"))
        self.assertFalse(holds("peers are 127.0.0.1:1001", twice))
        self.assertFalse(holds("peers among 127.0.0.1:1001", twice))
        self.assertFalse(holds("peers are none", http(b"d5:peers5:12345e")))

    def test_counts_of_http(self):
        files = http(b"d5:filesd20:" + b"a" * 20 + b"d8:completei1e10:incompletei2eeee")
        self.assertTrue(holds("A: complete 1, incomplete 2", files))
        self.assertTrue(holds("files / A / complete = 1", files))
        self.assertFalse(holds("A: complete 1, incomplete 3", files))
        self.assertFalse(holds("A: downloaded 0", files))
        self.assertFalse(holds("A: absent", files))
        self.assertTrue(holds("A: absent", http(b"d5:filesdee")))
        self.assertFalse(holds("A: complete 0", http(b"d5:filesdee")))

    def test_json_is_read_as_well(self):
        answer = http(b'{"peers": 3, "name": "x", "list": [{"on": true}]}')
        self.assertTrue(holds("peers = 3", answer))
        self.assertTrue(holds("name = x", answer))
        self.assertTrue(holds("list / 0 / on = true", answer))
        self.assertFalse(holds("list / 0 / on = false", answer))

    def test_udp(self):
        packet = struct.pack("!IIIII", 1, 7, 1800, 2, 1) + b"\x7f\0\0\x01\x03\xe9"
        answer = UdpAnswer(packet, socket.AF_INET)
        for line, expected in [
            ("action = 1", True), ("transaction = 0x7", True), ("transaction = 8", False),
            ("interval in 1800..1801", True), ("interval in 1..2", False),
            ("leechers = 2", True), ("seeders = 2", False), ("connection_id = 1", False),
            ("peers are 127.0.0.1:1001", True), ("peers are none", False), ("length = 26", True),
            ("bytes 00000001 {any}", True), ("bytes 00000002 {any}", False),
            ("error {any}", False),
        ]:
            self.assertEqual(holds(line, answer), expected, line)
        refusal = UdpAnswer(struct.pack("!II", 3, 7) + b"no", socket.AF_INET)
        self.assertTrue(holds("error no", refusal))
        self.assertFalse(holds("error yes", refusal))
        scrape = UdpAnswer(struct.pack("!IIIIIIII", 2, 7, 1, 2, 3, 4, 5, 6), socket.AF_INET)
        self.assertTrue(holds("B: complete 4, downloaded 5, incomplete 6", scrape, "AB"))
        self.assertFalse(holds("A: complete 4", scrape, "AB"))
        self.assertFalse(holds("A: complete 1", scrape, "A"))

    def test_a_line_that_is_no_expectation_is_not_skipped(self):
        for line in ("complete is 1", "peers is 1", "closed"):
            with self.assertRaises(ValueError):
                expect.check(line, http(BODY), resolve, [])
        with self.assertRaises(ValueError):
            expect.check("peers are nobody", http(BODY), resolve, [])


class StrictReader(unittest.TestCase):
    def test_what_is_canonical_is_read(self):
        self.assertEqual(strict.read(b"d1:ai-1e1:bl0:i0eee"), {b"a": -1, b"b": [b"", 0]})

    def test_what_is_not_canonical_is_refused(self):
        for bad in (
            b"", b"i01e", b"i-0e", b"ie", b"i1", b"i 1e", b"i+1e", b"01:a", b"2:a", b"1", b"x",
            b"l", b"d", b"d1:be", b"d1:bi1e1:ai1ee", b"d1:ai1e1:ai1ee", b"di1ei1ee", b"i1ei1e",
            b"-1:a", b"l" * 100 + b"e" * 100,
        ):
            with self.assertRaises(strict.NotStrict, msg=bad):
                strict.read(bad)


class Grammar(unittest.TestCase):
    def test_a_scenario_is_read(self):
        scenario = grammar.parse(
            "# Title\n# goes on.\n\nsetting tracker.interval 60\nworkers 1 2\nalone\n"
            "file list\n    # All.\n    {hex A}\n\n"
            "for n in 3-5 eventually within 2.5 s http on c from ::1 announce A port={n}\n"
            "    complete = {n}\n    # A remark.\n", "x")
        self.assertEqual(scenario.title, "Title goes on.")
        self.assertEqual(scenario.settings, ["tracker.interval 60"])
        self.assertEqual((scenario.workers, scenario.files), (
            (1, 2), {"list": ["# All.", "{hex A}"]}))
        self.assertTrue(scenario.alone and scenario.needs_ipv6 and not scenario.is_slow)
        (step,) = scenario.steps
        self.assertEqual((step.values, step.retry_secs), (["3", "4", "5"], 2.5))
        self.assertEqual(step.options, {"on": "c", "from": "::1"})
        self.assertEqual((step.actor, step.verb, step.words), (
            "http", "announce", ["A", "port={n}"]))
        self.assertEqual([line.text for line in step.block], ["complete = {n}"])

    def test_a_refusal_has_a_code_and_a_text(self):
        scenario = grammar.parse("# T\nsetting x 1\nrefused 78 no such setting\n", "x")
        self.assertEqual(scenario.refusal, (78, "no such setting"))
        self.assertTrue(scenario.has_own_tracker)
        refused = Refused("", ["x:1: no such setting"], 78)
        self.assertTrue(refused.says(*scenario.refusal))
        self.assertFalse(refused.says(78, "other") or refused.says(66, "no such setting"))

    def test_lists_may_hold_placeholders(self):
        scenario = grammar.parse("# T\nfor x in {repeat 2 a,b},{url A},,c http get /{x}\n", "x")
        self.assertEqual(scenario.steps[0].values, ["{repeat 2 a,b}", "{url A}", "", "c"])

    def test_nonsense_is_refused_with_its_place(self):
        for bad in (
            "http get /", "# T\nfly away", "# T\n    status 200", "# T\nalone\n    status 200",
            "# T\nhttp get /\nsetting x 1", "# T\neventually within 2 http get /", "# T\n",
            "# T\nrefused 78 x\nhttp get /", "# T\nrefused x\n",
            "# T\nfile a\nfile a\nhttp get /", "# T\nfile trackerd.conf\nhttp get /",
        ):
            with self.assertRaises(grammar.BadScenario, msg=bad) as caught:
                grammar.parse(bad, "x")
            self.assertTrue(str(caught.exception).startswith("x.txt:"))
        odd = grammar.parse("# T\nhttp get /\n    complete is 1\n", "x")
        self.assertEqual(check_lines(odd), ["x.txt:3: no expectation: complete is 1"])


class Script:
    """A server that says what it was told to, whatever is asked."""

    directory = Path("/nowhere")

    def __init__(self, answers: list[bytes]):
        self._answers = answers
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        for serve in (self._serve_tcp, self._serve_udp):
            threading.Thread(target=serve, daemon=True).start()

    def endpoint(self, layer, family):
        return {"tcp": self._tcp, "udp": self._udp}[layer].getsockname()

    def close(self):
        for listener in (self._tcp, self._udp):
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # Datagrams come from nobody in particular.
            listener.close()

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self._answers.pop(0))

    def _serve_udp(self):
        while True:
            try:
                packet, source = self._udp.recvfrom(65536)
                if source is None:
                    return
                action = packet[8:12]
                reply = packet[12:16] + b"\0" * 7 + b"\x09"
                self._udp.sendto(
                    action + (reply if action == b"\0" * 4 else self._answers.pop(0)), source)
            except (OSError, IndexError):
                return


class Failing(unittest.TestCase):
    """A wrong expectation is told with its line, what was sent, expected and answered."""

    def play(self, steps: str, *answers: bytes) -> Mismatch | None:
        server = Script(list(answers))
        self.addCleanup(server.close)
        scenario = grammar.parse(f"# T\n{steps}", "x")
        self.assertEqual(check_lines(scenario), [])
        self.stage = Stage(scenario, server, "1")
        try:
            self.stage.play()
        except Mismatch as mismatch:
            return mismatch
        return None

    def test_what_holds_passes(self):
        answer = HEAD % len(BODY) + BODY
        self.assertIsNone(self.play("http announce A port=5\n    complete = 1\n", answer))
        self.assertEqual(self.stage.bencoded, 1)

    def test_a_wrong_expectation_over_http_is_reported(self):
        answer = HEAD % len(BODY) + BODY
        mismatch = self.play("http announce A port=5\n    complete = 2\n", answer)
        report = "\n".join(mismatch.report())
        self.assertIn("line 3: complete = 2", report)
        self.assertIn("request   GET /announce?info_hash=%", report)
        self.assertIn(r"&port=5&uploaded=0&downloaded=0&left=1&compact=1 HTTP/1.1\r\n", report)
        self.assertIn("expected  complete = 2", report)
        self.assertIn("actual    complete = 1", report)
        self.assertIn(r"answer    HTTP/1.1 200 OK\r\n", report)
        self.assertIn(text.show(BODY), report)

    def test_a_wrong_expectation_over_udp_is_reported(self):
        mismatch = self.play(
            "udp scrape A transaction=1\n    A: complete 1\n",
            struct.pack("!IIII", 1, 2, 3, 4))
        report = "\n".join(mismatch.report())
        self.assertIn("line 3: A: complete 1", report)
        self.assertIn("request   00000000 00000009 00000002 00000001 ", report)
        self.assertIn("actual    complete 2, downloaded 3, incomplete 4", report)
        self.assertIn("answer    00000002 00000001 00000002 00000003 00000004", report)

    def test_what_is_not_canonical_fails_without_being_expected(self):
        body = b"d5:peers0:8:completei1ee"
        mismatch = self.play("http announce A\n    status 200\n", HEAD % len(body) + body)
        self.assertEqual(mismatch.expected, "canonical bencoding")

    def test_a_refusal_of_which_nothing_is_said_is_reported(self):
        body = b"d14:failure reason2:noe"
        mismatch = self.play("http announce A\n", HEAD % len(body) + body)
        self.assertEqual(mismatch.actual, "failure reason = no")
        self.assertIsNone(self.play("udp announce A\n", struct.pack("!IIII", 7, 1, 2, 3)))
        mismatch = self.play("udp announce A action=3\n", struct.pack("!I", 7) + b"no")
        self.assertEqual(mismatch.actual, "action = 3")

    def test_chunks_and_compression_are_undone(self):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        chunks = b"2\r\n0\r\r\n0000000a;x=y\r\n\n\r\n0\r\n\r\nab\r\n0\r\n\r\n"
        self.assertIsNone(self.play(
            "http get /\n    body 0\\r\\n\\r\\n0\\r\\n\\r\\nab\n    closed\n",
            head + b"\r\n" + chunks))
        packed = gzip.compress(b"hello")
        self.assertIsNone(self.play(
            "http get /\n    body hello\n",
            head + b"Content-Encoding: gzip\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)))

    def test_an_end_instead_of_an_answer_is_reported(self):
        mismatch = self.play("http get /\n    status 200\n", b"HTTP/1.1 200 OK\r\n")
        self.assertIn("closed before the head", mismatch.actual)
        self.assertIn("GET / HTTP/1.1", mismatch.request)
        self.assertEqual(mismatch.answer, r"HTTP/1.1 200 OK\r\n")

    def test_an_answer_that_comes_later_is_reported_with_its_request(self):
        mismatch = self.play(
            "http on c send two\n    status 200\nhttp on c answer\n    status 200\n",
            HEAD % 0 + b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual((mismatch.request, mismatch.actual), ("two", "404"))

    def test_bytes_instead_of_the_end_or_of_silence_are_reported(self):
        for line in ("closed", "silence"):
            mismatch = self.play(f"http send x\n    {line}\n", b"hello")
            self.assertEqual((mismatch.expected, mismatch.answer), (line, "hello"))
        mismatch = self.play("udp send ffff {repeat 14 00}\n    silence\n", b"ab")
        self.assertEqual(mismatch.expected, "silence")

    def test_time_is_measured(self):
        answer = HEAD % 0
        mismatch = self.play("http get /\n    not before 60 s\n", answer)
        self.assertEqual(mismatch.expected, "not before 60 s")
        self.assertIsNone(self.play("http get /\n    within 60 s\n", answer))

    def test_what_comes_true_too_early_fails(self):
        answers = [HEAD % 1 + digit for digit in (b"1", b"2", b"3")]
        mismatch = self.play(
            "eventually http get /\n    body 3\n    not before 60 s\n", *answers)
        self.assertEqual(mismatch.expected, "not before 60 s")

    def test_what_comes_true_later_is_waited_for(self):
        answers = [HEAD % 1 + digit for digit in (b"1", b"2", b"3")]
        self.assertIsNone(self.play("eventually http get /\n    body 3\n", *answers))
        mismatch = self.play("eventually within 0.1 s http get /\n    body 3\n",
                             *[HEAD % 1 + b"1"] * 9)
        self.assertEqual(mismatch.actual, "body 1")


if __name__ == "__main__":
    unittest.main()
