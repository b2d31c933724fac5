"""Packages for apk 3, of OpenWrt from 25.12 on: metadata in apk's binary database, then the files.

A database is a heap of values, each referred to by a 32-bit word: the top four bits say what it
is, the others where it lies, or for small numbers what they are. An object or an array is a list
of such words, its own length first; fields of objects are numbered from 1.
"""

import hashlib
import struct
import zlib

from tree import About, Directory, File, apk_scripts

_INT, _INT_32 = 0x1000_0000, 0x2000_0000
_BLOB_8, _BLOB_16, _BLOB_32 = 0x8000_0000, 0x9000_0000, 0xA000_0000
_LIST = 0xE000_0000
_PLACE = 0x0FFF_FFFF

# The root's place in the header, and the length of the header: versions, root.
_ROOT_AT, _HEADER_LEN = 4, 8

# Fields of the objects.
_PACKAGE_INFO, _PACKAGE_PATHS, _PACKAGE_SCRIPTS = 1, 2, 3
_INFO_NAME, _INFO_VERSION, _INFO_HASHES, _INFO_DESCRIPTION, _INFO_ARCH = 1, 2, 3, 4, 5
_INFO_LICENCE, _INFO_ORIGIN, _INFO_SIZE, _INFO_PROVIDES = 6, 7, 12, 16
_DIRECTORY_NAME, _DIRECTORY_ACL, _DIRECTORY_FILES = 1, 2, 3
_FILE_NAME, _FILE_ACL, _FILE_SIZE, _FILE_TIME, _FILE_HASHES = 1, 2, 3, 4, 5
_ACL_MODE, _ACL_USER, _ACL_GROUP = 1, 2, 3
_SCRIPTS = {"post-install": 3, "pre-deinstall": 4, "post-upgrade": 7}

# Kinds of blocks of the file.
_BLOCK_DATABASE, _BLOCK_FILE = 0, 2

# An id is the beginning of the hash of the database that says it is all zeroes.
_ID_LEN = 20


def apk(directories: list[Directory], about: About) -> bytes:
    directories = _with_lists(directories, about)
    out = bytearray(b"ADB.pckg")
    out += _block(_BLOCK_DATABASE, _database(directories, about))
    for i, directory in enumerate(directories, 1):
        for j, file in enumerate(directory.files, 1):
            if file.content:
                out += _block(_BLOCK_FILE, struct.pack("<II", i, j) + file.content)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"ADBd" + deflate.compress(bytes(out)) + deflate.flush()


def _with_lists(directories: list[Directory], about: About) -> list[Directory]:
    """OpenWrt's functions look for these lists, which its own build adds to every package."""
    contents = {
        f"/{directory.name}/{file.name}": file.content
        for directory in directories for file in directory.files
    }
    digest = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    lists = {
        "conffiles": about.conffiles,
        "conffiles_static": [
            f"{name} {digest[name]}" for name in about.conffiles if name in digest],
        "list": sorted(contents),
        "rusers": [about.user] if about.user else [],
    }
    files = [
        File(f"{about.name}.{kind}", 0o644, "".join(f"{line}\n" for line in lines).encode())
        for kind, lines in lists.items() if lines
    ]
    own = [Directory("lib", []), Directory("lib/apk", []), Directory("lib/apk/packages", files)]
    return sorted(directories + own, key=lambda directory: directory.name.encode())


def _database(directories: list[Directory], about: About) -> bytes:
    heap = _Heap()
    paths, size = [], 0
    for directory in directories:
        files = [_file(heap, file, about.epoch) for file in directory.files]
        size += sum(len(file.content) for file in directory.files)
        paths.append(heap.object({
            _DIRECTORY_NAME: heap.blob(directory.name),
            _DIRECTORY_ACL: _acl(heap, 0o755),
            _DIRECTORY_FILES: heap.array(files),
        }))
    # By itself, or it would share its place with other zeroes.
    identity = heap.blob(bytes(_ID_LEN), shared=False)
    info = {
        _INFO_NAME: heap.blob(about.name),
        _INFO_VERSION: heap.blob(about.version),
        _INFO_HASHES: identity,
        _INFO_DESCRIPTION: heap.blob(about.description),
        _INFO_ARCH: heap.blob(about.architecture),
        _INFO_LICENCE: heap.blob(about.licence),
        _INFO_ORIGIN: heap.blob(about.name),
        _INFO_SIZE: heap.int(size),
        _INFO_PROVIDES: heap.array(
            [heap.object({1: heap.blob(name)}) for name in sorted(about.provides)]),
    }
    scripts = {
        _SCRIPTS[kind]: heap.blob(script) for kind, script in apk_scripts(about.name).items()}
    root = heap.object({
        _PACKAGE_INFO: heap.object(info),
        _PACKAGE_PATHS: heap.array(paths),
        _PACKAGE_SCRIPTS: heap.object(scripts),
    })
    struct.pack_into("<I", heap.bytes, _ROOT_AT, root)
    at = (identity & _PLACE) + 1
    heap.bytes[at:at + _ID_LEN] = hashlib.sha256(heap.bytes).digest()[:_ID_LEN]
    return bytes(heap.bytes)


def _file(heap: "_Heap", file: File, epoch: int) -> int:
    return heap.object({
        _FILE_NAME: heap.blob(file.name),
        _FILE_ACL: _acl(heap, file.mode),
        _FILE_SIZE: heap.int(len(file.content)),
        _FILE_TIME: heap.int(epoch),
        _FILE_HASHES: heap.blob(hashlib.sha256(file.content).digest()),
    })


def _acl(heap: "_Heap", mode: int) -> int:
    return heap.object({
        _ACL_MODE: heap.int(mode),
        _ACL_USER: heap.blob("root"),
        _ACL_GROUP: heap.blob("root"),
    })


def _block(kind: int, content: bytes) -> bytes:
    """Its kind in the top two bits of its length, which counts itself but not the padding."""
    length = 4 + len(content)
    return struct.pack("<I", kind << 30 | length) + content + bytes(-length % 8)


class _Heap:
    """Values that are the same lie there once."""

    def __init__(self):
        self.bytes = bytearray(_HEADER_LEN)
        self._places: dict[tuple[bytes, int], int] = {}

    def int(self, value: int) -> int:
        if value <= _PLACE:
            return _INT | value
        return _INT_32 | self._put(struct.pack("<I", value), 4)

    def blob(self, value: str | bytes, shared: bool = True) -> int:
        raw = value.encode() if isinstance(value, str) else value
        if not raw:
            return 0
        for kind, form, align in ((_BLOB_8, "<B", 1), (_BLOB_16, "<H", 2), (_BLOB_32, "<I", 4)):
            if len(raw) < 1 << 8 * align:
                return kind | self._put(struct.pack(form, len(raw)) + raw, align, shared)
        raise ValueError("nothing that large fits a package")

    def array(self, words: list[int]) -> int:
        return self._list(words)

    def object(self, fields: dict[int, int]) -> int:
        return self._list([fields.get(number, 0) for number in range(1, max(fields) + 1)])

    def _list(self, words: list[int]) -> int:
        while words and words[-1] == 0:
            words = words[:-1]
        if not words:
            return 0
        raw = struct.pack(f"<{len(words) + 1}I", len(words) + 1, *words)
        return _LIST | self._put(raw, 4)

    def _put(self, raw: bytes, align: int, shared: bool = True) -> int:
        if shared and (raw, align) in self._places:
            return self._places[raw, align]
        self.bytes += bytes(-len(self.bytes) % align)
        place = len(self.bytes)
        self.bytes += raw
        if shared:
            self._places[raw, align] = place
        return place
