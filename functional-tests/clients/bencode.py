"""Bencoding (BEP 3): what torrent files and HTTP tracker replies are made of."""


def encode(value) -> bytes:
    """Bytes of an int, bytes, str, list or dict; dictionary keys come out sorted."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    keys = sorted(value)
    return b"d" + b"".join(encode(key) + encode(value[key]) for key in keys) + b"e"


def decode(data: bytes):
    """The value spelt by all of `data`; ValueError when it is not exactly one value."""
    value, end = _value(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the end of a bencoded value")
    return value


def _value(data: bytes, at: int):
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind == b"l":
        return _items(data, at + 1)
    if kind == b"d":
        items, end = _items(data, at + 1)
        return dict(zip(items[::2], items[1::2], strict=True)), end
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    if end > len(data):
        raise ValueError("a bencoded string runs past the end")
    return data[colon + 1:end], end


def _items(data: bytes, at: int):
    items = []
    while data[at:at + 1] != b"e":
        item, at = _value(data, at)
        items.append(item)
    return items, at + 1
