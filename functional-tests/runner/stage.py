"""Plays the steps of one scenario against a tracker that runs."""

from __future__ import annotations

import hashlib
import re
import struct
import time
from pathlib import Path
from typing import Protocol

import expect
from grammar import PATIENCE_SECS, SLOW_SECS, Line, Scenario, Step, seconds
from lanes import (
    EVENTS, MAGIC, Connection, Datagrams, HttpAnswer, NoAnswer, UdpAnswer)
from strict import NotStrict, read
from text import BadText, Part, literal, show, show_hex

# How long to wait before the next try: of what is soon to be, and of what takes its time.
RETRY_SECS = 0.05
SLOW_RETRY_SECS = 0.5
PEER_ID = "-FT0001-abcdefghijkl"
ANNOUNCE_DEFAULTS = {
    "peer_id": PEER_ID, "port": "6881", "uploaded": "0", "downloaded": "0", "left": "1",
    "compact": "1"}

try:
    import libtorrent
except ImportError:
    libtorrent = None


class Server(Protocol):
    """What a scenario sees of the tracker."""

    directory: Path

    def endpoint(self, layer: str, family: int) -> tuple[str, int]:
        """Where it listens: `tcp` or `udp`, 4 or 6."""

    def api_endpoint(self) -> tuple[str, int]:
        """Where the management API listens."""

    def write(self, name: str, lines: list[str]) -> None:
        """Puts a file in the place of one, in one step."""

    def reload(self) -> None:
        """Has it read its configuration again."""

    def log_since_reload(self) -> str:
        """What it has said since then, or since it started."""


class Mismatch(Exception):
    """What went wrong: the step, what was sent, expected and answered."""

    def __init__(self, line: Line, expected: str, actual: str, is_final: bool = False):
        super().__init__(f"line {line.number}")
        self.line = line
        self.expected = expected
        self.actual = actual
        # Another try can't mend it.
        self.is_final = is_final
        self.request = ""
        self.answer = ""

    def report(self) -> list[str]:
        """Lines for people."""
        rows = [("request", self.request), ("expected", self.expected),
                ("actual", self.actual), ("answer", self.answer)]
        return [f"line {self.line.number}: {self.line.text}"] + [
            f"  {name:9} {text}" for name, text in rows if text]


class Stage:
    """One run of a scenario; its torrents are its own, whoever else uses the tracker."""

    def __init__(self, scenario: Scenario, server: Server, salt: str):
        self.scenario = scenario
        self.server = server
        self._salt = salt
        self._named: dict[str, Connection | Datagrams] = {}
        self._sources: dict[str, Datagrams] = {}
        self._asking: Datagrams | None = None
        self._request = ""
        self._answer = ""
        self._started = 0.0
        # How many bencoded answers strict readers have accepted.
        self.bencoded = 0

    def play(self) -> None:
        """Plays it to the end; Mismatch when an expectation does not hold."""
        try:
            for step in self.scenario.steps:
                for value in step.values:
                    self._play(_with(step, value))
        finally:
            for lane in (*self._named.values(), *self._sources.values()):
                lane.close()

    def torrent(self, name: str) -> bytes:
        """The info-hash of a torrent of this run."""
        return hashlib.sha1(f"{self.scenario.name} {self._salt} {name}".encode()).digest()

    def content(self, lines: list[str]) -> list[str]:
        """Lines of a file, placeholders filled in."""
        return [literal(line.replace("\\", "\\\\"), self._resolve).decode() for line in lines]

    def _play(self, step: Step) -> None:
        self._started = time.monotonic()
        deadline = self._started + step.retry_secs
        pause = SLOW_RETRY_SECS if step.retry_secs >= SLOW_SECS else RETRY_SECS
        while True:
            self._request = self._answer = ""
            try:
                return self._try(step)
            except Mismatch as mismatch:
                mismatch.request, mismatch.answer = self._request, self._answer
                if mismatch.is_final or time.monotonic() >= deadline:
                    raise
            except NoAnswer as failure:
                if time.monotonic() >= deadline:
                    mismatch = Mismatch(step.line, "an answer", failure.what)
                    mismatch.request, mismatch.answer = self._request, show(failure.data)
                    raise mismatch from None
            time.sleep(pause)

    def _try(self, step: Step) -> None:
        try:
            getattr(self, f"_{step.actor}")(step)
        except (BadText, ValueError, KeyError) as error:
            raise Mismatch(step.line, "a step that makes sense", repr(error)) from error

    # -- the tracker's files and process

    def _file(self, step: Step) -> None:
        self.server.write(step.rest, self.content([line.text for line in step.block]))

    def _pipe(self, step: Step) -> None:
        lines = self.content([line.text for line in step.block])
        with open(self.server.directory / step.rest, "w") as pipe:
            pipe.write("".join(f"{line}\n" for line in lines))

    def _reload(self, step: Step) -> None:
        self.server.reload()
        for line in step.block:
            self._wait_for_log(line, line.text.partition(" ")[2])

    def _log(self, step: Step) -> None:
        self._wait_for_log(step.line, step.rest)

    def _wait_for_log(self, line: Line, text: str) -> None:
        pattern = expect.Pattern(text, self._resolve)
        deadline = time.monotonic() + PATIENCE_SECS
        while not pattern.is_in(self.server.log_since_reload().encode()):
            if time.monotonic() > deadline:
                raise Mismatch(line, f"log {text}", f"log {self.server.log_since_reload()}")
            time.sleep(RETRY_SECS)

    # -- HTTP

    def _http(self, step: Step) -> None:
        lane = self._connection(step)
        try:
            self._ask_http(step, lane)
        finally:
            if "on" not in step.options:
                lane.close()

    def _api(self, step: Step) -> None:
        """One request to the management API, on a connection of its own."""
        lane = Connection("127.0.0.1", self.server.api_endpoint())
        headers = [line.text[5:] for line in step.block if line.text.startswith("with ")]
        wanted = [line for line in step.block if not line.text.startswith("with ")]
        request = f"{step.verb} {step.rest} HTTP/1.1"
        if not any(header.startswith("Host:") for header in headers):
            headers.insert(0, "Host: 127.0.0.1")
        head = [literal(text, self._resolve) for text in (request, *headers)]
        try:
            self._send(lane, b"\r\n".join(head) + b"\r\n\r\n")
            self._hear_http(step, lane, wanted, [])
        finally:
            lane.close()

    def _ask_http(self, step: Step, lane: Connection) -> None:
        headers = [line.text[5:] for line in step.block if line.text.startswith("with ")]
        wanted = [line for line in step.block if not line.text.startswith("with ")]
        torrents: list[str] = []
        self._request = show(lane.sent)
        if step.verb in ("announce", "scrape", "get"):
            target, torrents = self._target(step)
            head = [b"GET " + target + b" HTTP/1.1", b"Host: tracker"]
            head += [literal(text, self._resolve) for text in headers]
            self._send(lane, b"\r\n".join(head) + b"\r\n\r\n")
        elif step.verb == "send":
            self._send(lane, literal(step.rest, self._resolve))
        elif step.verb == "end":
            lane.end()
        elif step.verb not in ("open", "answer"):
            raise ValueError(f"http can't {step.verb}")
        if wanted or step.verb in ("announce", "scrape", "get", "answer"):
            self._hear_http(step, lane, wanted, torrents)

    def _target(self, step: Step) -> tuple[bytes, list[str]]:
        if step.verb == "get":
            return literal(step.rest, self._resolve), []
        words = step.words
        torrents = [word for word in words if re.fullmatch(expect.TORRENT, word)]
        fields = [word for word in words if word not in torrents]
        hashes = [f"info_hash={{url {torrent}}}" for torrent in torrents]
        path = f"/{step.verb}"
        pairs = dict(ANNOUNCE_DEFAULTS) if step.verb == "announce" else {}
        for word in fields:
            name, _, value = word.partition("=")
            if name == "path":
                path = value
            elif word.startswith("!"):
                pairs.pop(word[1:])
            else:
                pairs[name] = value
        query = "&".join(hashes + [f"{name}={value}" for name, value in pairs.items()])
        target = f"{path}?{query}" if query else path
        return literal(target, self._resolve), torrents

    def _connection(self, step: Step) -> Connection:
        name = step.options.get("on")
        if name and name in self._named:
            return self._named[name]
        source = step.options.get("from", "127.0.0.1")
        lane = Connection(source, self._endpoint("tcp", source))
        if name:
            self._named[name] = lane
        return lane

    def _hear_http(self, step, lane, wanted, torrents) -> None:
        lines = [line for line in wanted if not _is_about_time(line.text)]
        ends = [line for line in lines if line.text in ("closed", "silence")]
        lines = [line for line in lines if line not in ends]
        if lines or not ends:
            answer = lane.answer()
            self._answer = show(answer.raw)
            self._read_strictly(step, answer)
            self._check(lines or _success(step), answer, torrents)
        for line in ends:
            expectation = lane.expect_end if line.text == "closed" else lane.expect_silence
            try:
                expectation()
            except NoAnswer as failure:
                self._answer = show(failure.data)
                raise Mismatch(line, line.text, failure.what) from None
        _check_time(wanted, self._started)

    def _read_strictly(self, step: Step, answer: HttpAnswer) -> None:
        """Whatever is bencoded has to please strict readers."""
        if not answer.is_bencoded:
            return
        try:
            value = read(answer.body)
        except NotStrict as error:
            raise Mismatch(step.line, "canonical bencoding", str(error)) from None
        self.bencoded += 1
        if libtorrent and libtorrent.bdecode(answer.body) != value:
            raise Mismatch(step.line, "what libtorrent reads", "something else")

    # -- UDP

    def _udp(self, step: Step) -> None:
        lane = self._datagrams(step)
        self._asking = lane
        packet, torrents = self._packet(step, lane)
        self._request = show_hex(packet)
        lane.send(packet)
        if [line.text for line in step.block] in (["silence"], ["no answer"]):
            line = step.block[0]
            try:
                return lane.expect_silence(packet if line.text == "silence" else None)
            except NoAnswer as failure:
                self._answer = show_hex(failure.data)
                raise Mismatch(line, line.text, failure.what) from None
        answer = lane.answer()
        self._answer = show_hex(answer.raw)
        sent = struct.unpack_from("!I", packet, 12)[0] if len(packet) >= 16 else 0
        if answer.fields().get("transaction") != sent:
            raise Mismatch(step.line, f"transaction {sent}", f"{answer.fields()}")
        lines = [line for line in step.block if not _is_about_time(line.text)]
        self._check(lines or _success(step), answer, torrents)
        _check_time(step.block, self._started)

    def _datagrams(self, step: Step) -> Datagrams:
        source = step.options.get("from", "127.0.0.1")
        name = step.options.get("on")
        known = self._named if name else self._sources
        key = name or source
        if key not in known:
            known[key] = Datagrams(source, self._endpoint("udp", source))
        lane = known[key]
        asks = step.verb in ("announce", "scrape") and "connection_id=" not in step.rest
        if lane.connection_id == 0 and (asks or "{id}" in step.rest):
            lane.connect()
        return lane

    def _packet(self, step: Step, lane: Datagrams) -> tuple[bytes, list[str]]:
        if step.verb == "send":
            return literal(step.rest, self._resolve, hexadecimal=True), []
        words = step.words
        torrents = [word for word in words if re.fullmatch(expect.TORRENT, word)]
        fields = dict(word.split("=", 1) for word in words if word not in torrents)
        hashes = b"".join(self.torrent(name) for name in torrents)
        action = {"connect": 0, "announce": 1, "scrape": 2}[step.verb]
        connection_id = fields.pop("connection_id", str(lane.connection_id if action else MAGIC))
        if connection_id in self._named:
            connection_id = str(self._named[connection_id].connection_id)
        head = struct.pack(
            "!QII", int(connection_id, 0), int(fields.pop("action", str(action)), 0),
            int(fields.pop("transaction", "7"), 0))
        tail = literal(fields.pop("tail", ""), self._resolve, hexadecimal=True)
        url = literal(fields.pop("url", ""), self._resolve)
        length = fields.pop("length", None)
        body = _announce_body(hashes, fields) if step.verb == "announce" else hashes
        if fields:
            raise ValueError(f"no field of this packet: {', '.join(fields)}")
        options = b"\x02" + bytes([len(url)]) + url if url else b""
        packet = head + body + options + tail
        return packet[:int(length)] if length else packet, torrents

    # -- both

    def _send(self, lane: Connection, data: bytes) -> None:
        self._request = show(data)
        lane.send(data)

    def _check(self, lines: list[Line], answer: HttpAnswer | UdpAnswer, torrents) -> None:
        for line in lines:
            try:
                expect.check(line.text, answer, self._resolve, torrents)
            except expect.Wrong as wrong:
                raise Mismatch(line, line.text, str(wrong)) from None

    def _endpoint(self, layer: str, source: str) -> tuple[str, int]:
        return self.server.endpoint(layer, 6 if ":" in source else 4)

    def _resolve(self, words: list[str]) -> Part:
        """What a placeholder stands for."""
        kind = words[0] if words else ""
        if kind == "dir":
            return str(self.server.directory).encode()
        if kind == "id" and self._asking:
            return self._asking.connection_id.to_bytes(8, "big")
        if kind in ("raw", "hex", "url") and len(words) == 2:
            info_hash = self.torrent(words[1])
            percent = "".join(f"%{byte:02X}" for byte in info_hash)
            return {"raw": info_hash, "hex": info_hash.hex().encode(),
                    "url": percent.encode()}[kind]
        raise BadText(f"unknown placeholder {{{' '.join(words)}}}")


def check_lines(scenario: Scenario) -> list[str]:
    """Complaints about lines below steps that are no expectations."""
    found = []
    for step in scenario.steps:
        if step.actor in ("file", "pipe"):
            continue
        for line in step.block:
            text = line.text.replace(f"{{{step.name}}}", "1") if step.name else line.text
            known = text in ("closed", "silence", "no answer") or _is_about_time(text)
            known = known or text.startswith(("with ", "log ")) or expect.is_expectation(text)
            if not known:
                found.append(f"{scenario.name}.txt:{line.number}: no expectation: {text}")
    return found


def _with(step: Step, value: str) -> Step:
    """The step with a value in the place of its variable."""
    if not step.name:
        return step

    def fill(text: str) -> str:
        return text.replace(f"{{{step.name}}}", value)

    options = {name: fill(text) for name, text in step.options.items()}
    block = [Line(line.number, fill(line.text)) for line in step.block]
    line = Line(step.line.number, f"{step.line.text}  ({step.name} = {value})")
    return Step(line, block, step.name, [value], step.retry_secs,
                step.actor, options, step.verb, fill(step.rest))


def _announce_body(info_hash: bytes, fields: dict[str, str]) -> bytes:
    def number(name: str, default: int, bits: int) -> int:
        return int(fields.pop(name, str(default)), 0) % (1 << bits)

    event = fields.pop("event", "")
    event = EVENTS[event] if event in EVENTS else int(event, 0)
    address = bytes(map(int, fields.pop("ip", "0.0.0.0").split(".")))
    peer_id = fields.pop("peer_id", PEER_ID).encode()
    return info_hash + peer_id + struct.pack(
        "!QQQI4sIIH", number("downloaded", 0, 64), number("left", 1, 64),
        number("uploaded", 0, 64), event, address, number("key", 0, 32),
        number("numwant", -1, 32), number("port", 6881, 16))


def _success(step: Step) -> list[Line]:
    """What is expected of an announce or scrape of which nothing is said: that it succeeds."""
    if step.verb not in ("announce", "scrape"):
        return []
    texts = {
        "http": ["status 200", "no key failure reason"],
        "udp": [f"action = {1 if step.verb == 'announce' else 2}"]}
    return [Line(step.line.number, text) for text in texts[step.actor]]


def _is_about_time(text: str) -> bool:
    return text.startswith(("within ", "not before "))


def _check_time(lines: list[Line], started: float) -> None:
    took = time.monotonic() - started
    for line in lines:
        if line.text.startswith("within ") and took > seconds(line.text[7:]):
            raise Mismatch(line, line.text, f"after {took:.2f} s", is_final=True)
        if line.text.startswith("not before ") and took < seconds(line.text[11:]):
            raise Mismatch(line, line.text, f"after {took:.2f} s", is_final=True)
