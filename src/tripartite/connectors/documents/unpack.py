"""Archives and compressed files, opened within limits: gzip and ZIP. What is not packed comes back as it is.

Every count is kept while inflating, never believed from a header. A name that leaves its folder, a link, two names
for one member, an encrypted member and an archive inside an archive beyond the declared depth are refused. Nothing is
written anywhere.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

import msgspec

from tripartite.runtime.protocol import Unreadable

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK = 64 * 1024


class UnpackLimits(msgspec.Struct, frozen=True):
    """`unpacked` is bytes of all members together; `ratio` binds once a member is larger than `ratio_from` bytes.

    `depth` is how many wrappings may be opened: 1 opens an archive, and refuses an archive in it.
    """

    unpacked: int = 64_000_000
    members: int = 2_000
    ratio: int = 200
    ratio_from: int = 1_000_000
    depth: int = 1
    name: int = 255


class Member(msgspec.Struct, frozen=True):
    """One file: its name as stated (a relative path with `/`), and its bytes."""

    name: str
    content: bytes


class _Refused(Exception):
    def __init__(self, reason_code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = Unreadable(reason_code, pointer, detail)


_LIMITS = UnpackLimits()


def packed_as(content: bytes) -> str:
    """`gzip` or `zip` by what the bytes begin with; empty for a plain file."""
    if content[:2] == _GZIP:
        return "gzip"
    return "zip" if content[:4] in (_ZIP, _EMPTY_ZIP) else ""


def unpack(name: str, content: bytes, limits: UnpackLimits = _LIMITS) -> tuple[Member, ...] | Unreadable:
    """The files in `content`, in the archive's order; a plain file is its own only member. Errors: as `Unreadable`.

    What decides is what the bytes begin with, not the name; the name of a gzip member is `name` without `.gz`.
    Rule: bad inputs 28, 45, 69 to 71.
    """
    try:
        _check_name(name.rpartition("/")[2], limits)
        return tuple(_opened(name, content, limits, limits.depth, [limits.unpacked]))
    except _Refused as refused:
        return refused.answer


def _opened(name: str, content: bytes, limits: UnpackLimits, depth: int, left: list[int]) -> list[Member]:
    if not packed_as(content):
        return [Member(name, content)]
    if depth == 0:
        raise _Refused("intake.too_large", name, f"an archive nested deeper than {limits.depth}")
    if content[:2] == _GZIP:
        inner = name[:-3] if name.lower().endswith(".gz") else name
        return _opened(inner, _gunzip(name, content, limits, left), limits, depth - 1, left)
    found: list[Member] = []
    for member in _unzip(name, content, limits, left):
        found.extend(_opened(member.name, member.content, limits, depth - 1, left))
    return found


def _gunzip(name: str, content: bytes, limits: UnpackLimits, left: list[int]) -> bytes:
    """All members of a gzip file, one after the other, as `gunzip` reads them."""
    pieces: list[bytes] = []
    rest = content
    while rest:
        if rest[:2] != _GZIP:
            if rest.strip(b"\x00"):
                raise _Refused("intake.malformed", name, "bytes behind the end of the gzip file")
            break
        inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        pieces.append(_inflated(name, inflater, rest, limits, left))
        rest = inflater.unused_data
    return b"".join(pieces)


def _inflated(name: str, inflater: zlib._Decompress, packed: bytes, limits: UnpackLimits, left: list[int]) -> bytes:
    pieces: list[bytes] = []
    size = 0
    feed = packed
    try:
        while not inflater.eof:
            piece = inflater.decompress(feed, _CHUNK)
            feed = inflater.unconsumed_tail
            if not piece and not feed:
                break
            size += len(piece)
            left[0] -= len(piece)
            if left[0] < 0:
                raise _Refused("intake.too_large", name, f"more than {limits.unpacked} bytes unpacked")
            if size > limits.ratio_from and size > limits.ratio * len(packed):
                raise _Refused("intake.too_large", name, f"unpacks to more than {limits.ratio} times its size")
            pieces.append(piece)
    except zlib.error as error:
        raise _Refused("intake.malformed", name, f"does not unpack: {error}"[:200]) from None
    if not inflater.eof:
        raise _Refused("intake.malformed", name, "ends before its end")
    return b"".join(pieces)


def _unzip(name: str, content: bytes, limits: UnpackLimits, left: list[int]) -> list[Member]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, UnicodeDecodeError) as error:
        raise _Refused("intake.malformed", name, f"no ZIP archive: {error}"[:200]) from None
    entries = archive.infolist()
    if len(entries) > limits.members:
        raise _Refused("intake.too_large", name, f"more than {limits.members} members")
    found: list[Member] = []
    seen: set[str] = set()
    for entry in entries:
        place = f"{name}/{entry.filename[:100]}"
        _check_entry(entry, place, limits)
        if entry.is_dir():
            continue
        if entry.filename in seen:
            raise _Refused("intake.ambiguous", place, "two members of one name")
        seen.add(entry.filename)
        found.append(Member(entry.filename, _member(content, entry, place, limits, left)))
    return found


def _check_entry(entry: zipfile.ZipInfo, place: str, limits: UnpackLimits) -> None:
    stated = entry.orig_filename
    if stated.startswith("/") or "\\" in stated or ":" in stated or ".." in stated.split("/"):
        raise _Refused("intake.path_refused", place, "a name that leaves its folder")
    for part in stated.rstrip("/").split("/"):
        _check_name(part, limits, place)
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _Refused("intake.path_refused", place, "a link or a device")
    if entry.flag_bits & 0x1:
        raise _Refused("intake.type_not_supported", place, "encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Refused("intake.type_not_supported", place, f"compression method {entry.compress_type}")


def _check_name(part: str, limits: UnpackLimits, place: str = "") -> None:
    """One part of a path: printable, of bounded length, and not a way out of the folder."""
    if not part or part in (".", "..") or len(part) > limits.name or not part.isprintable() or "\\" in part:
        raise _Refused("intake.path_refused", place or part[:100], "not a name of a file")


def _member(content: bytes, entry: zipfile.ZipInfo, place: str, limits: UnpackLimits, left: list[int]) -> bytes:
    """The bytes of one member, by its own local header, which must give the same name as the directory."""
    start = entry.header_offset
    header = content[start : start + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size or header[:4] != _ZIP:
        raise _Refused("intake.malformed", place, "a member without its header")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    name_at = start + _LOCAL_HEADER.size
    local = content[name_at : name_at + name_length]
    encoding = "utf-8" if entry.flag_bits & 0x800 else "cp437"
    try:
        agrees = local.decode(encoding) == entry.orig_filename
    except UnicodeDecodeError:
        agrees = False
    if not agrees:
        raise _Refused("intake.ambiguous", place, "the member has another name than the directory gives it")
    data_at = name_at + name_length + extra_length
    packed = content[data_at : data_at + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        left[0] -= len(packed)
        if left[0] < 0:
            raise _Refused("intake.too_large", place, f"more than {limits.unpacked} bytes unpacked")
        data = packed
    else:
        data = _inflated(place, zlib.decompressobj(-zlib.MAX_WBITS), packed, limits, left)
    if zlib.crc32(data) != entry.CRC or len(data) != entry.file_size:
        raise _Refused("intake.malformed", place, "the member is not what its checksum says")
    return data
