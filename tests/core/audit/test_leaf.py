"""What a leaf commits to, and that erasing it leaves the commitment."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripartite.core.audit import LeafInvalid, entry_of, leaf_id_of, make_leaf

SALT = bytes(range(16))


def test_a_leaf_is_the_hash_of_salt_words_and_record() -> None:
    leaf = make_leaf("decision", "inv_7K2", "DE01", "c_9QF", b'{"verdict":"post"}', SALT)
    spelled_out = (
        b"tripartite.leaf.v1\n"
        + SALT
        + b"\x00\x04DE01"
        + b"\x00\x08decision"
        + b"\x00\x07inv_7K2"
        + b"\x00\x05c_9QF"
        + b'{"verdict":"post"}'
    )
    assert leaf.commitment == sha256(spelled_out).digest()
    assert leaf.leaf_id == "leaf_" + leaf.commitment.hex()[:32] == leaf_id_of(leaf.commitment)


def test_the_time_of_recording_is_part_of_what_is_sealed() -> None:
    assert entry_of(bytes(32), 1) == bytes(39) + b"\x01"
    assert entry_of(bytes(32), -1)[32:] == b"\xff" * 8
    assert len(entry_of(bytes(32), 1_800_000_000_000_000)) == 40


@given(
    st.lists(st.tuples(*[st.text(max_size=6)] * 4, st.binary(max_size=6)), min_size=2, max_size=2, unique=True),
)
def test_two_different_facts_never_share_a_commitment(facts: list[tuple[str, str, str, str, bytes]]) -> None:
    one, other = (make_leaf(*fact[:4], fact[4], SALT) for fact in facts)
    assert one.commitment != other.commitment


def test_words_do_not_run_into_one_another() -> None:
    assert make_leaf("ab", "c", "", "", b"", SALT).commitment != make_leaf("a", "bc", "", "", b"", SALT).commitment


def test_another_salt_hides_the_same_fact() -> None:
    iban_hash = b'{"account":"..."}'
    one = make_leaf("k", "o", "DE01", "c", iban_hash, SALT)
    assert one.commitment != make_leaf("k", "o", "DE01", "c", iban_hash, bytes(16)).commitment


@pytest.mark.parametrize(
    ("word", "record", "salt"),
    [("x", b"", bytes(15)), ("x", b"", bytes(17)), ("x", bytes(65_536), SALT), ("é" * 501, b"", SALT)],
)
def test_what_does_not_fit_is_refused_and_not_cut(word: str, record: bytes, salt: bytes) -> None:
    with pytest.raises(LeafInvalid):
        make_leaf("decision", word, "DE01", "c", record, salt)


def test_the_longest_record_and_word_fit() -> None:
    assert make_leaf("decision", "é" * 500, "DE01", "c", bytes(65_535), SALT).record == bytes(65_535)
