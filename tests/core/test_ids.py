"""Identities that can be computed: the same parts give the same id, other parts another, in every process."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.ids import correlation_of, delivery_key, digest, stable_id


def test_the_id_of_known_parts_never_changes() -> None:
    """Ids stand in databases and in audit leaves: another form of them would be another world."""
    assert stable_id("inv", "a", "b") == "inv_" + hashlib.sha256(b"a\x1fb").hexdigest()[:26]
    assert stable_id("sup", "10300001") == "sup_3f7b0446bea3d1518c599a726b"
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
    others = [
        ("inv_2", 1, "sap", "post_invoice"),
        ("inv_1", 2, "sap", "post_invoice"),
        ("inv_1", 1, "acme", "post_invoice"),
    ]
    others.append(("inv_1", 1, "sap", "report_hold"))
    assert len({delivery_key(*base), *(delivery_key(*each) for each in others)}) == 5


def test_documents_of_one_order_share_their_correlation_and_companies_do_not() -> None:
    assert correlation_of("DE01", "45") == correlation_of("DE01", "45")
    assert correlation_of("DE01", "45") != correlation_of("PL02", "45")
    assert correlation_of("DE01", "1") != correlation_of("DE0", "11")
