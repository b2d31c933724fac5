"""A strict reader of bencoding (BEP 3): it takes the one canonical spelling and no other."""

from __future__ import annotations

DEPTH_MAX = 20


class NotStrict(Exception):
    """What is wrong, and at which byte."""

    def __init__(self, what: str, at: int):
        super().__init__(f"{what}, at byte {at}")


def read(data: bytes):
    """The one value that `data` is; dictionary keys sorted, none twice, no leading zeros."""
    value, end = _value(data, 0, 0)
    if end != len(data):
        raise NotStrict("more after the end", end)
    return value


def _value(data: bytes, at: int, depth: int):
    if depth > DEPTH_MAX:
        raise NotStrict("too deep", at)
    kind = data[at:at + 1]
    if kind == b"i":
        return _number(data, at)
    if kind == b"l":
        return _list(data, at + 1, depth)
    if kind == b"d":
        return _dictionary(data, at + 1, depth)
    if kind.isdigit():
        return _string(data, at)
    raise NotStrict("the end" if not kind else f"no value begins with {kind!r}", at)


def _number(data: bytes, at: int):
    end = data.find(b"e", at)
    digits = data[at + 1:end] if end > 0 else b""
    if not digits.lstrip(b"-").isdigit() or digits != b"%d" % int(digits):
        raise NotStrict(f"no canonical number: {digits!r}", at)
    return int(digits), end + 1


def _string(data: bytes, at: int):
    colon = data.find(b":", at)
    digits = data[at:colon] if colon > 0 else b""
    if not digits.isdigit() or digits != b"%d" % int(digits):
        raise NotStrict(f"no canonical length: {digits!r}", at)
    end = colon + 1 + int(digits)
    if end > len(data):
        raise NotStrict("a string runs past the end", at)
    return data[colon + 1:end], end


def _list(data: bytes, at: int, depth: int):
    items = []
    while data[at:at + 1] != b"e":
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at + 1


def _dictionary(data: bytes, at: int, depth: int):
    items: dict[bytes, object] = {}
    last = None
    while data[at:at + 1] != b"e":
        if not data[at:at + 1].isdigit():
            raise NotStrict("a key that is no string", at)
        key, after = _string(data, at)
        if last is not None and key <= last:
            raise NotStrict(f"{key!r} stands after {last!r}", at)
        last = key
        items[key], at = _value(data, after, depth + 1)
    return items, at + 1
