"""Every real document ends as the table says: read as what it is, or refused with its code and place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connectors.documents.samples import documents
from tripartite.connectors.documents import READERS, detect, read_any
from tripartite.core.codec import decode, encode
from tripartite.runtime.protocol import Raw, Unreadable

pytestmark = pytest.mark.samples
TABLE = tomllib.loads((Path(__file__).parent / "dispositions.toml").read_text())


def ended(content: bytes) -> dict[str, object]:
    answer = read_any(Raw(content, ""))
    if isinstance(answer, Unreadable):
        return {"refused": answer.reason_code, "at": answer.pointer}
    said: dict[str, object] = {"kind": answer.kind, "number": answer.value.number, "lines": len(answer.value.lines)}
    if answer.kind == "invoice":
        said |= {"is": answer.value.kind, "payable": str(answer.value.payable)}
    return said


def test_every_sample_document_ends_as_the_table_says() -> None:
    found = {path: ended(content) for path, content in documents() if "unit-UBL" not in path}
    assert found == TABLE["document"]


def test_fragments_of_rule_tests_are_never_taken_for_documents() -> None:
    fragments = [entry for entry in documents("en16931-cen") if "unit-UBL" in entry[0]]
    assert len(fragments) > 100
    for path, content in fragments:
        assert ended(content) == {"refused": "intake.type_not_supported", "at": "/testSet"}, path


def test_what_detection_says_is_what_the_reader_of_that_format_reads() -> None:
    formats = set()
    for path, content in documents():
        name = detect(content)
        if isinstance(name, str):
            formats.add(name)
            assert READERS[name](Raw(content, "")) == read_any(Raw(content, "")), path
    assert formats == {
        "ubl.invoice",
        "ubl.creditnote",
        "ubl.selfbilledcreditnote",
        "ubl.order",
        "ubl.receiptadvice",
        "cii.invoice",
    }


def test_what_was_read_survives_its_own_json() -> None:
    for path, content in documents():
        answer = read_any(Raw(content, ""))
        if not isinstance(answer, Unreadable):
            assert decode(encode(answer.value), type(answer.value)) == answer.value, path
