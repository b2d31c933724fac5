"""The texts of scenarios: escapes, placeholders and wildcards; and bytes made readable."""

from __future__ import annotations

import re
from typing import Callable, Union

SHOWN_BYTES_MAX = 1200
_PARTS = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)|\{((?:[^{}]|\{[^{}]*\})*)\}", re.DOTALL)
_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


class BadText(Exception):
    """A text that makes no sense."""


class Any:
    """A wildcard: so many bytes of whatever kind, or any number of them."""

    def __init__(self, count: int | None = None):
        self.count = count

    @property
    def pattern(self) -> bytes:
        return b".*" if self.count is None else b".{%d}" % self.count


Part = Union[bytes, Any]
# What the words of a placeholder stand for.
Resolve = Callable[[list], Part]


def parts(text: str, resolve: Resolve, hexadecimal: bool = False) -> list[Part]:
    """The text without escapes and placeholders. With `hexadecimal` what stands outside of
    placeholders is digits, blanks between them or not."""
    found: list[Part] = []
    end = 0
    for match in _PARTS.finditer(text):
        found.append(_plain(text[end:match.start()], hexadecimal))
        end = match.end()
        digits, letter, words = match.groups()
        if digits is not None:
            found.append(bytes.fromhex(digits))
        elif letter is not None:
            if letter not in _ESCAPES:
                raise BadText(f"unknown escape \\{letter}")
            found.append(_ESCAPES[letter])
        else:
            found.append(_placeholder(words, resolve, hexadecimal))
    found.append(_plain(text[end:], hexadecimal))
    return [part for part in found if part != b""]


def literal(text: str, resolve: Resolve, hexadecimal: bool = False) -> bytes:
    """The bytes of a text that has no wildcards."""
    found = parts(text, resolve, hexadecimal)
    if any(isinstance(part, Any) for part in found):
        raise BadText(f"a wildcard where bytes are sent: {text}")
    return b"".join(found)


def show(data: bytes) -> str:
    """Bytes as scenarios write them: printable, in one line, not endlessly many."""
    letters = "".join(map(_shown, data[:SHOWN_BYTES_MAX]))
    more = len(data) - SHOWN_BYTES_MAX
    return letters if more <= 0 else f"{letters} … and {more} bytes more"


def show_hex(data: bytes) -> str:
    """Bytes as hexadecimal digits, four bytes a word."""
    more = len(data) - SHOWN_BYTES_MAX // 4
    shown = data[:SHOWN_BYTES_MAX // 4]
    words = " ".join(shown[at:at + 4].hex() for at in range(0, len(shown), 4))
    return words if more <= 0 else f"{words} … and {more} bytes more"


def _plain(text: str, hexadecimal: bool) -> bytes:
    if "{" in text or "}" in text:
        raise BadText(f"a brace without its other half: {text}")
    if not hexadecimal:
        return text.encode()
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadText(f"no hexadecimal digits: {text}") from None


def _placeholder(words: str, resolve: Resolve, hexadecimal: bool) -> Part:
    name, _, rest = words.partition(" ")
    if name == "any":
        return Any(int(rest) if rest else None)
    if name == "repeat":
        count, _, what = rest.partition(" ")
        return literal(what, resolve, hexadecimal) * int(count)
    if name in ("u8", "u16", "u32", "u64"):
        size = int(name[1:]) // 8
        return (int(rest, 0) % (1 << 8 * size)).to_bytes(size, "big")
    if name == "text":
        return rest.encode()
    return resolve(words.split())


def _shown(byte: int) -> str:
    for letter, plain in _ESCAPES.items():
        if plain[0] == byte:
            return "\\" + letter
    return chr(byte) if 0x20 <= byte < 0x7f else f"\\x{byte:02x}"
