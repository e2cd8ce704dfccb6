"""Identities that can be computed: the same parts give the same id, other parts another, in every process."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.ids import base32, correlation_of, delivery_key, digest, stable_id


def test_the_id_of_known_parts_never_changes() -> None:
    """Ids stand in databases and in audit leaves: another form of them would be another world."""
    assert stable_id("inv", "a", "b") == "inv_" + base32(hashlib.sha256(b"a\x1fb").digest()[:16])
    assert stable_id("sup", "10300001") == "sup_1zfc24dfn3t58rrpcte9nt6mmy"
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.lists(st.text(st.characters(exclude_characters="\x1f", codec="utf-8")), min_size=1, max_size=4), st.data())
def test_moving_a_letter_from_one_part_to_the_next_gives_another_id(parts: list[str], data: st.DataObject) -> None:
    joined = "".join(parts)
    cut = data.draw(st.integers(0, len(joined)))
    other = [joined[:cut], joined[cut:]]
    assert (stable_id("x", *parts) == stable_id("x", *other)) == (parts == other)


def test_a_delivery_has_one_key_for_object_version_target_and_operation() -> None:
    base = ("inv_1", 1, "sap", "post_invoice")
    assert delivery_key(*base) == delivery_key(*base)
    others = [("inv_2", 1, "sap", "post_invoice"), ("inv_1", 2, "sap", "post_invoice"), ("inv_1", 1, "acme", "post_invoice")]
    others.append(("inv_1", 1, "sap", "report_hold"))
    assert len({delivery_key(*base), *(delivery_key(*each) for each in others)}) == 5


def test_documents_of_one_order_share_their_correlation_and_companies_do_not() -> None:
    assert correlation_of("DE01", "45") == correlation_of("DE01", "45")
    assert correlation_of("DE01", "45") != correlation_of("PL02", "45")
    assert correlation_of("DE01", "1") != correlation_of("DE0", "11")


@pytest.mark.parametrize(("data", "text"), [(b"\x00" * 16, "0" * 26), (b"\xff" * 16, "7" + "z" * 25), (b"\x01", "01")])
def test_the_alphabet_has_no_letter_that_is_read_as_a_digit(data: bytes, text: str) -> None:
    assert base32(data) == text
    assert not set(base32(bytes(range(256)))) & set("ilou")


@given(st.binary(min_size=4, max_size=16), st.binary(min_size=4, max_size=16))
def test_the_order_of_the_bytes_is_the_order_of_the_text(one: bytes, other: bytes) -> None:
    if len(one) == len(other):
        assert (one < other) == (base32(one) < base32(other))
