"""Whatever is done to a document, the readers answer: an object that has JSON, or a refusal with a code of the list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.documents.builder import invoice, line
from tripartite.connectors.documents import read_any, unpack
from tripartite.core.codec import decode, encode
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable
from tripartite.runtime.xml import named, read_xml

CODES = {
    "intake.malformed",
    "intake.ambiguous",
    "intake.amount_invalid",
    "intake.value_out_of_range",
    "intake.too_large",
    "intake.type_not_supported",
    "intake.doctype_refused",
    "intake.active_content",
}
WHOLE = invoice(lines=line(1) + line(2))
SIZE = sum(1 for element in read_xml(WHOLE).iter() if named(element))


def answered(content: bytes) -> None:
    answer = read_any(Raw(content, ""))
    if isinstance(answer, Unreadable):
        assert answer.reason_code in CODES
        assert len(answer.detail) < 1_000
    else:
        assert isinstance(answer, ReadResult)
        assert decode(encode(answer.value), type(answer.value)) == answer.value


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(WHOLE)), st.integers(0, 200))
def test_any_bytes_in_the_middle_of_a_document_are_answered(insert: bytes, at: int, cut: int) -> None:
    answered(WHOLE[:at] + insert + WHOLE[at + cut :])


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, SIZE - 1), st.sampled_from(["drop", "double", "move", "empty"])), max_size=4),
    st.integers(1, SIZE - 1),
    st.sampled_from(["", "x", "-1", "0", "1E9", "true", "2026-13-40", "9" * 30, "ä", "NaN", "  7  ", "EUR"]),
)
def test_any_shuffling_of_the_elements_is_answered(changes: list[tuple[int, str]], at: int, said: str) -> None:
    root = read_xml(WHOLE)
    elements = list(root.iter())
    elements[at].text = said
    for place, act in changes:
        element = elements[place]
        parent = element.getparent()
        if parent is None:
            continue
        if act == "drop":
            parent.remove(element)
        elif act == "double":
            parent.append(read_xml(_bytes(element)))
        elif act == "move":
            root.append(element)
        else:
            element.clear()
    answered(_bytes(root))


def _bytes(element: object) -> bytes:
    from lxml import etree

    return etree.tostring(element, encoding="utf-8")  # type: ignore[call-overload, no-any-return]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08\x00", b"PK\x05\x06", b""]), st.binary(max_size=300))
def test_any_bytes_given_as_an_archive_are_answered(start: bytes, rest: bytes) -> None:
    answer = unpack("a.zip", start + rest)
    assert isinstance(answer, tuple) or answer.reason_code in CODES | {"intake.path_refused"}
