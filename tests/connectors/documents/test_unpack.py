"""Archives are opened within limits, and never beyond their folder. Bad inputs 28, 45, 69 to 71 and 76."""

from __future__ import annotations

import gzip
import io
import resource
import stat
import struct
import time
import zipfile
import zlib

import pytest

from tripartite.connectors.documents import Member, UnpackLimits, detect, unpack
from tripartite.runtime.protocol import Unreadable


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def refused(name: str, content: bytes, limits: UnpackLimits | None = None) -> str:
    """The code of the refusal, which must cost little time and memory."""
    before, peak = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = unpack(name, content, limits) if limits is not None else unpack(name, content)
    assert time.process_time() - before < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 128 * 1024
    assert isinstance(answer, Unreadable), answer
    return answer.reason_code


def test_a_plain_file_is_its_own_only_member() -> None:
    assert unpack("a.xml", b"<a/>") == (Member("a.xml", b"<a/>"),)


def test_gzip_is_opened_and_loses_its_ending() -> None:
    assert unpack("a.xml.gz", gzip.compress(b"<a/>")) == (Member("a.xml", b"<a/>"),)
    two = gzip.compress(b"<a>") + gzip.compress(b"</a>")
    assert unpack("a.gz", two) == (Member("a", b"<a></a>"),)


def test_a_zip_gives_its_files_in_order() -> None:
    content = zipped(("b.xml", b"<b/>"), ("in/a.xml", b"<a/>"), ("in/", b""))
    assert unpack("x.zip", content) == (Member("b.xml", b"<b/>"), Member("in/a.xml", b"<a/>"))
    assert unpack("x.zip", zipped()) == ()


def test_gzip_bomb_is_refused() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = b"".join(bomb.compress(b"\x00" * 1_000_000) for _ in range(300)) + bomb.flush()
    assert len(packed) < 2_000_000
    assert refused("bomb.gz", packed) == "intake.too_large"


def test_zip_nesting_bomb_is_refused() -> None:
    inner = zipped(*((f"{number}.bin", b"\x00" * 1_000_000) for number in range(16)))
    for _ in range(4):
        inner = zipped(*((f"{number}.zip", inner) for number in range(16)))
    assert refused("42.zip", inner) == "intake.too_large"
    assert refused("flat.zip", zipped(("a.bin", b"\x00" * 60_000_000))) == "intake.too_large"
    assert refused("in.zip", zipped(("a.gz", gzip.compress(b"<a/>")))) == "intake.too_large"
    assert unpack("in.zip", zipped(("a.gz", gzip.compress(b"<a/>"))), UnpackLimits(depth=2)) == (Member("a", b"<a/>"),)


def test_the_total_is_counted_over_all_members() -> None:
    content = zipped(*((f"{number}.txt", bytes(range(256)) * 4) for number in range(10)))
    assert refused("x.zip", content, UnpackLimits(unpacked=10_000)) == "intake.too_large"
    assert not isinstance(unpack("x.zip", content, UnpackLimits(unpacked=10_240)), Unreadable)
    assert refused("x.zip", content, UnpackLimits(members=9)) == "intake.too_large"


def linked(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "name",
    [
        "../a.xml",
        "in/../../a.xml",
        "/etc/passwd",
        "C:/a.xml",
        "in\\..\\a.xml",
        "./a.xml",
        "in//a.xml",
        "a\r\nSet-Cookie: x.xml",
        "a\x1b.xml",
        "\u202exml.a",
        "x" * 300,
    ],
)
def test_zip_slip_is_refused(name: str) -> None:
    assert refused("x.zip", zipped((name, b"<a/>"))) == "intake.path_refused"


def test_a_link_in_an_archive_is_refused() -> None:
    assert refused("x.zip", zipped((linked("a.xml"), b"/etc/passwd"))) == "intake.path_refused"


def test_file_name_cannot_inject_headers() -> None:
    assert refused("a.xml\r\nX: y", b"<a/>") == "intake.path_refused"


def test_zip_with_two_names_is_refused() -> None:
    content = bytearray(zipped(("good.xml", b"<a/>")))
    place = content.index(b"good.xml")
    content[place : place + 8] = b"evil.xml"
    assert refused("x.zip", bytes(content)) == "intake.ambiguous"
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(("a.xml", b"<a/>"), ("a.xml", b"<b/>"))
    assert refused("x.zip", twice) == "intake.ambiguous"


def test_a_member_that_is_not_what_its_checksum_says_is_refused() -> None:
    content = bytearray(zipped(("a.xml", b"<a/>" * 50)))
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, directory + 16, 12345)
    assert refused("x.zip", bytes(content)) == "intake.malformed"


def test_encrypted_and_exotic_members_are_not_supported() -> None:
    content = bytearray(zipped(("a.xml", b"<a/>")))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert refused("x.zip", bytes(content)) == "intake.type_not_supported"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.xml", b"<a/>")
    assert refused("x.zip", file.getvalue()) == "intake.type_not_supported"


@pytest.mark.parametrize("cut", [5, 20, 25, -1, -10])
def test_a_cut_archive_is_malformed(cut: int) -> None:
    assert refused("x.zip", zipped(("a.xml", b"<a/>" * 50))[:cut]) == "intake.malformed"
    assert refused("x.gz", gzip.compress(b"<a/>" * 50)[:cut]) == "intake.malformed"


def test_bytes_behind_a_gzip_file_are_malformed() -> None:
    assert refused("a.gz", gzip.compress(b"<a/>") + b"PK\x03\x04") == "intake.malformed"


def test_polyglot_file_is_refused() -> None:
    polyglot = b"%PDF-1.7\n" + zipped(("a.xml", b"<a/>"))
    opened = unpack("x.zip", polyglot)
    assert opened == (Member("x.zip", polyglot),)  # what decides is the beginning, so no archive is seen in it
    answer = detect(polyglot)
    assert isinstance(answer, Unreadable)
    assert answer.reason_code == "intake.type_not_supported"
