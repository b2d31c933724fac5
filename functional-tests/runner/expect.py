"""What is expected of an answer, line by line."""

from __future__ import annotations

import ipaddress
import operator
import re
from typing import Callable

from lanes import HttpAnswer, NoAnswer, UdpAnswer
from strict import NotStrict
from text import Any, BadText, Resolve, literal, parts, show, show_hex

OPERATORS = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge}
COUNTS = (b"complete", b"downloaded", b"incomplete")
TORRENT = r"[A-Z][A-Z0-9]*"


class Wrong(Exception):
    """An expectation that does not hold: what is there instead."""


class Pattern:
    """Bytes with wildcards."""

    def __init__(self, text: str, resolve: Resolve, hexadecimal: bool = False):
        self._parts = parts(text, resolve, hexadecimal)
        self._regex = re.compile(
            b"".join(p.pattern if isinstance(p, Any) else re.escape(p) for p in self._parts),
            re.DOTALL)

    def is_all_of(self, data: bytes) -> bool:
        return self._regex.fullmatch(data) is not None

    def is_in(self, data: bytes) -> bool:
        return self._regex.search(data) is not None


def check(line: str, answer, resolve: Resolve, torrents: list[str]) -> None:
    """Holds an answer to one line of expectation; `torrents` are those that were asked about.

    Raises Wrong when it does not hold, ValueError when the line is none."""
    for regex, rule in RULES:
        match = re.fullmatch(regex, line)
        if match and _suits(rule, answer):
            try:
                rule(match, answer, resolve, torrents)
            except (NoAnswer, NotStrict) as error:
                raise Wrong(str(error)) from None
            except BadText as error:
                raise ValueError(str(error)) from None
            return
    raise ValueError(f"no expectation that fits this answer: '{line}'")


def is_expectation(line: str) -> bool:
    """Whether a line is one, for whatever answer."""
    return any(re.fullmatch(regex, line) for regex, _ in RULES)


def peer_set(text: str) -> list[tuple[str, int]]:
    """`none`, or `127.0.0.1:1001-1004 [::1]:5` as addresses and ports."""
    found = []
    for word in [] if text == "none" else text.replace(",", " ").split():
        match = re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?:(\d+)(?:-(\d+))?", word)
        if not match:
            raise ValueError(f"'{word}' is no peer such as 127.0.0.1:1001 or [::1]:1-9")
        address = str(ipaddress.ip_address(match[1]))
        found += [(address, port) for port in range(int(match[2]), int(match[3] or match[2]) + 1)]
    return found


def _suits(rule: Callable, answer) -> bool:
    kind = rule.__name__.split("_")[1]
    return {"http": HttpAnswer, "udp": UdpAnswer}.get(kind, object) in type(answer).__mro__


def _equal(actual, expected) -> None:
    if actual != expected:
        raise Wrong(_told(actual))


def _told(value) -> str:
    if isinstance(value, bytes):
        return show(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value)) or "none"
    return str(value)


def _names(peers: list[tuple[str, int]]) -> str:
    shown = [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip, port in peers[:60]]
    return " ".join(shown) + (f" … {len(peers)} in all" if len(peers) > 60 else "") or "none"


def _any_peers_are(match, answer, resolve, torrents) -> None:
    actual = answer.peers()
    if sorted(actual) != sorted(peer_set(match[1])):
        raise Wrong(f"peers are {_names(sorted(actual))}")


def _any_peers_among(match, answer, resolve, torrents) -> None:
    actual = answer.peers()
    if len(set(actual)) != len(actual):
        raise Wrong(f"one comes twice: {_names(sorted(actual))}")
    strangers = sorted(set(actual) - set(peer_set(match[1])))
    if strangers:
        raise Wrong(f"also {_names(strangers)}")


def _any_peers_include(match, answer, resolve, torrents) -> None:
    missing = sorted(set(peer_set(match[1])) - set(answer.peers()))
    if missing:
        raise Wrong(f"without {_names(missing)}")


def _any_peers_count(match, answer, resolve, torrents) -> None:
    actual = len(answer.peers())
    if not OPERATORS[match[1]](actual, int(match[2])):
        raise Wrong(f"{actual} peers")


def _http_form(match, answer, resolve, torrents) -> None:
    kind = {"compact": bytes, "dictionaries": list}[match[1]]
    actual = answer.value.get(b"peers")
    if not isinstance(actual, kind):
        raise Wrong(f"peers is {_told(actual)}")


def _http_status(match, answer, resolve, torrents) -> None:
    _equal(answer.status, int(match[1]))


def _http_header(match, answer, resolve, torrents) -> None:
    actual = answer.header(match[1])
    if actual is None or not Pattern(match[2], resolve).is_all_of(actual):
        raise Wrong("no such header" if actual is None else f"{match[1]}: {show(actual)}")


def _http_no_header(match, answer, resolve, torrents) -> None:
    actual = answer.header(match[1])
    if actual is not None:
        raise Wrong(f"{match[1]}: {show(actual)}")


def _http_head(match, answer, resolve, torrents) -> None:
    if not Pattern(match[1], resolve).is_all_of(answer.head):
        raise Wrong(f"head {show(answer.head)}")


def _http_body(match, answer, resolve, torrents) -> None:
    if not Pattern(match[1], resolve).is_all_of(answer.body):
        raise Wrong(f"body {show(answer.body)}")


def _http_body_contains(match, answer, resolve, torrents) -> None:
    if Pattern(match[2], resolve).is_in(answer.body) != (match[1] == "contains"):
        raise Wrong(f"body {show(answer.body)}")


def _http_keys(match, answer, resolve, torrents) -> None:
    expected = sorted(name.strip().encode() for name in match[1].split(","))
    actual = sorted(answer.value)
    if actual != expected:
        raise Wrong(f"keys are {_told(actual)}")


def _http_no_key(match, answer, resolve, torrents) -> None:
    try:
        actual = _at(answer.value, match[1], resolve)
    except Wrong:
        return
    raise Wrong(f"{match[1]} = {_told(actual)}")


def _http_range(match, answer, resolve, torrents) -> None:
    _in_range(match, _at(answer.value, match[1], resolve))


def _http_value(match, answer, resolve, torrents) -> None:
    path, sign, expected = match.groups()
    actual = _at(answer.value, path, resolve)
    if isinstance(actual, (int, float)):
        if not re.fullmatch(r"-?[\d.]+|true|false", expected):
            raise Wrong(f"{path} = {actual}, a number")
        number = {"true": True, "false": False}.get(expected)
        number = float(expected) if number is None else number
        holds = OPERATORS[sign](actual, number)
    elif isinstance(actual, bytes) and sign in ("=", "!="):
        holds = Pattern(expected, resolve).is_all_of(actual) == (sign == "=")
    else:
        raise Wrong(f"{path} is {_told(actual)}")
    if not holds:
        raise Wrong(f"{path} = {_told(actual)}")


def _http_counts(match, answer, resolve, torrents) -> None:
    raw = literal(f"{{raw {match[1]}}}", resolve)
    files = _at(answer.value, "files", resolve)
    if match[2] == "absent":
        if raw in files:
            raise Wrong(_counted(files[raw]))
    elif raw not in files:
        raise Wrong("absent")
    else:
        _has_counts(match[2], files[raw])


def _udp_counts(match, answer, resolve, torrents) -> None:
    counts = answer.counts()
    if len(counts) != len(torrents):
        raise Wrong(f"counts of {len(counts)} torrents, {len(torrents)} were asked about")
    _has_counts(match[2], counts[torrents.index(match[1])])


def _has_counts(text: str, actual: dict) -> None:
    for pair in text.split(","):
        name, _, number = pair.strip().rpartition(" ")
        if name.encode() not in (*COUNTS, b"downloaders"):
            raise ValueError(f"'{pair.strip()}' is no count such as 'complete 1'")
        if actual.get(name.encode()) != int(number):
            raise Wrong(_counted(actual))


def _counted(counts: dict) -> str:
    return ", ".join(f"{name.decode()} {number}" for name, number in sorted(counts.items()))


def _udp_bytes(match, answer, resolve, torrents) -> None:
    if not Pattern(match[1], resolve, hexadecimal=True).is_all_of(answer.raw):
        raise Wrong(f"bytes {show_hex(answer.raw)}")


def _udp_error(match, answer, resolve, torrents) -> None:
    if answer.action != 3:
        raise Wrong(f"action {answer.action}: no error")
    if not Pattern(match[1], resolve).is_all_of(answer.rest):
        raise Wrong(f"error {show(answer.rest)}")


def _any_length(match, answer, resolve, torrents) -> None:
    data = answer.body if isinstance(answer, HttpAnswer) else answer.raw
    if not OPERATORS[match[1]](len(data), int(match[2])):
        raise Wrong(f"length {len(data)}")


def _udp_range(match, answer, resolve, torrents) -> None:
    _in_range(match, _field(answer, match[1]))


def _udp_value(match, answer, resolve, torrents) -> None:
    name, sign, expected = match.groups()
    actual = _field(answer, name)
    if not OPERATORS[sign](actual, int(expected, 0)):
        raise Wrong(f"{name} = {actual}")


def _field(answer: UdpAnswer, name: str) -> int:
    fields = answer.fields()
    if name not in fields:
        raise Wrong(f"no {name} in a datagram of action {answer.action}")
    return fields[name]


def _in_range(match, actual) -> None:
    low, high = int(match[2]), int(match[3])
    if not isinstance(actual, int) or not low <= actual <= high:
        raise Wrong(f"{match[1]} = {_told(actual)}")


def _at(value, path: str, resolve: Resolve):
    """What stands at the end of a path: `files / A / complete`, `peers / 0 / ip`."""
    for name in path.split(" / "):
        if isinstance(value, list) and name.isdigit():
            if int(name) >= len(value):
                raise Wrong(f"only {len(value)} in the list")
            value = value[int(name)]
            continue
        key = literal(f"{{raw {name}}}" if re.fullmatch(TORRENT, name) else name, resolve)
        if not isinstance(value, dict) or key not in value:
            raise Wrong(f"no {name}")
        value = value[key]
    return value


_SIGN = r"(=|!=|<=|>=|<|>)"
RULES = [
    (r"peers are (.+)", _any_peers_are),
    (r"peers among (.+)", _any_peers_among),
    (r"peers include (.+)", _any_peers_include),
    (rf"peers count {_SIGN} (\d+)", _any_peers_count),
    (rf"length {_SIGN} (\d+)", _any_length),
    (r"form (compact|dictionaries)", _http_form),
    (r"status (\d{3})", _http_status),
    (r"header ([\w-]+): ?(.*)", _http_header),
    (r"no header ([\w-]+)", _http_no_header),
    (r"head (.+)", _http_head),
    (r"body (contains|lacks) (.+)", _http_body_contains),
    (r"body (.*)", _http_body),
    (r"keys are (.+)", _http_keys),
    (r"no key (.+)", _http_no_key),
    (rf"({TORRENT}): (absent|.+)", _http_counts),
    (rf"({TORRENT}): (.+)", _udp_counts),
    (r"bytes (.+)", _udp_bytes),
    (r"error (.+)", _udp_error),
    (r"(\w+) in (\d+)\.\.(\d+)", _udp_range),
    (rf"(\w+) {_SIGN} (-?\d+|0x[0-9a-f]+)", _udp_value),
    (r"([\w /{}.-]+) in (\d+)\.\.(\d+)", _http_range),
    (rf"([\w /{{}}.-]+?) {_SIGN} (.*)", _http_value),
]
