"""JSON in and out: the same value has the same bytes, and no lenient reading lets an odd document pass."""

from __future__ import annotations

import contextlib
import json
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.papers import invoice, order, receipt, supplier
from tripartite.core import codec
from tripartite.core.codec import DEEPEST, Malformed, check_strict, decode, encode, read_command, read_strict
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, Order, Receipt, Supplier


class Small(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    amount: Amount | None = None
    on: date | None = None
    inner: tuple[Small, ...] = ()
    words: dict[str, str] = {}


@pytest.mark.parametrize("value", [invoice(), order(), receipt(), supplier()], ids=lambda value: type(value).__name__)
def test_a_document_comes_back_as_it_was_and_has_one_form(value: Invoice | Order | Receipt | Supplier) -> None:
    written = encode(value)
    assert decode(written, type(value)) == value
    assert encode(decode(written, type(value))) == written
    assert read_command(written, type(value)) == value
    assert codec.decode_own(written, type(value)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_an_amount_is_written_as_text_without_an_exponent(number: object) -> None:
    written = encode(Small("x", Amount(number)))  # type: ignore[arg-type]
    text = json.loads(written)["amount"]
    assert isinstance(text, str)
    assert "e" not in text.lower()
    assert Amount(text) == number


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"name":"a","name":"b"}', "intake.duplicate_key"),
        (b'{"name":"a","inner":[{"name":"b","name":"c"}]}', "intake.duplicate_key"),
        (b'\xef\xbb\xbf{"name":"a"}', "intake.malformed"),
        (b'{"name":"\xff"}', "intake.malformed"),
        (b'{"name":"\\u0000"}', "intake.malformed"),
        (b'{"name":"a\x00"}', "intake.malformed"),
        (b'{"name":"\\ud800"}', "intake.malformed"),
        (b'{"name":"\\uDC00x"}', "intake.malformed"),
        (b'{"name":"a"} {}', "intake.malformed"),
        (b'{"name":"a",}', "intake.malformed"),
        (b"{'name':'a'}", "intake.malformed"),
        (b"", "intake.malformed"),
        (b"[" * 200 + b"]" * 200, "intake.too_large"),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), "intake.too_large"),
        (b'{"name":' + b"9" * 5000 + b"}", "intake.too_large"),
        (b'{"name":"a","amount":1.5}', "intake.amount_invalid"),
        (b'{"name":"a","amount":1e400}', "intake.amount_invalid"),
        (b'{"name":"a","amount":"1e4"}', "intake.amount_invalid"),
        (b'{"name":"a","on":"2026-02-30"}', "intake.value_out_of_range"),
        (b'{"amount":"1"}', "integration.schema_violated"),
        (b'{"name":5}', "integration.schema_violated"),
        (b"[]", "integration.schema_violated"),
        (b"NaN", "intake.malformed"),
    ],
)
def test_what_a_lenient_parser_lets_pass_is_refused_with_its_code(data: bytes, code: str) -> None:
    with pytest.raises(Malformed) as error:
        read_strict(data, Small)
    assert error.value.reason_code == code


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (b'{"name":"a","inner":[{"name":"b"},{"name":"c","amount":"x"}]}', "/inner/1/amount"),
        (b'{"name":"a","on":"yesterday"}', "/on"),
    ],
)
def test_a_refusal_names_the_place(data: bytes, pointer: str) -> None:
    with pytest.raises(Malformed) as error:
        read_strict(data, Small)
    assert error.value.pointer == pointer


def test_nesting_up_to_the_limit_is_read() -> None:
    assert check_strict(b"[" * DEEPEST + b"]" * DEEPEST) is not None
    assert check_strict(b'{"a":"' + b"[{" * 500 + b'"}') == {"a": "[{" * 500}, "brackets in a text are text"


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_strict(b'{"name":"\\ud83d\\ude00"}', Small).name == "\U0001f600"


def test_a_command_knows_every_field_it_is_given_and_free_words_stay_free() -> None:
    assert read_command(b'{"name":"a","words":{"anything":"goes"}}', Small).words == {"anything": "goes"}
    assert read_strict(b'{"name":"a","later":"1"}', Small).name == "a", "documents of others may say more"
    for data, pointer in (
        (b'{"name":"a","later":"1"}', "/later"),
        (b'{"name":"a","inner":[{"name":"b"},{"name":"c","later":1}]}', "/inner/1/later"),
    ):
        with pytest.raises(Malformed) as error:
            read_command(data, Small)
        assert (error.value.reason_code, error.value.pointer) == ("intake.field_unknown", pointer)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_in_another_way(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(read_command(data, Small), Small)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(ANY_JSON)
def test_no_json_makes_the_reader_fail_in_another_way(value: object) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(read_command(json.dumps(value).encode(), Invoice), Invoice)


def test_plain_values_hold_exact_numbers_as_text() -> None:
    shown = codec.builtins(invoice())
    assert shown["gross"] == "47.60"
    assert json.dumps(shown, default=str)


CANONICAL = codec.encode(Receipt(number="5001/2026", company_code="DE01"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CANONICAL, ""),
        (CANONICAL.replace(b"{", b"{ "), ""),
        (CANONICAL.replace(b"{", b'{"number":"5001/2026",'), "intake.duplicate_key"),
        (CANONICAL.replace(b"{", b'{"nobody":1,'), "intake.field_unknown"),
        (CANONICAL.replace(b"5001", b"50\\u00001"), "intake.malformed"),
        (CANONICAL + b"{}", "intake.malformed"),
        (b"\xef\xbb\xbf" + CANONICAL, "intake.malformed"),
    ],
)
def test_bytes_that_are_canonical_already_are_read_as_strictly_as_others(text: bytes, code: str) -> None:
    if not code:
        assert codec.read_canonical(text, Receipt)[1] == CANONICAL
        return
    with pytest.raises(codec.Malformed) as refused:
        codec.read_canonical(text, Receipt)
    assert refused.value.reason_code == code
