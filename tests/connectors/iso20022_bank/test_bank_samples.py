"""Messages of real banks, read in place: each is read, or refused for the reason that we know of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tripartite.connectors.iso20022_bank.transform import READERS, parts
from tripartite.core.money import Amount
from tripartite.core.objects import BankStatement, PaymentReport
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

# What is refused, and why: versions that we do not read, a namespace spelled wrong by its author, and balances of one
# account in four currencies.
REFUSED = {
    "cross_river_pain_002_credit_accepted.xml": "intake.type_not_supported",
    "genkgo_camt053.v3.xml": "intake.type_not_supported",
    "genkgo_camt053.v4.xml": "intake.type_not_supported",
    "genkgo_camt054.v4.xml": "intake.type_not_supported",
    "genkgo_camt053.v2.minimal.xml": "intake.ambiguous",
    "genkgo_camt053.v2.minimal.ultimate.xml": "intake.ambiguous",
    "genkgo_camt053.v8.xml": "intake.ambiguous",
}

pytestmark = pytest.mark.samples


def samples(part: str) -> list[Path]:
    stated = os.environ.get("TRIPARTITE_SAMPLES")
    if not stated:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    found = sorted(path for path in (Path(stated) / "iso20022" / "samples").iterdir() if part in path.name)
    assert found
    return found


def one(name: str, kind: str) -> ReadResult:
    (path,) = samples(name)
    result = READERS[kind](Raw(path.read_bytes(), "application/xml"))
    assert isinstance(result, ReadResult), result
    return result


@pytest.mark.parametrize(("part", "kind"), [("pain_002", "payment_report"), ("camt", "bank_statement")])
def test_every_sample_is_read_or_refused_for_a_reason_that_we_know(part: str, kind: str) -> None:
    for path in samples(part):
        for content in parts(path.read_bytes()):
            result = READERS[kind](Raw(content, "application/xml"))
            code = result.reason_code if isinstance(result, Unreadable) else ""
            assert code == REFUSED.get(path.name, ""), f"{path.name}: {result}"


def test_a_file_refused_as_a_duplicate_is_not_a_rejected_order() -> None:
    value = one("nordea_pain_002_v3_group_reject", "payment_report").value
    assert isinstance(value, PaymentReport)
    assert (value.status, value.word, value.reason) == ("pending", "RJCT", "DU01")


def test_a_refused_block_rejects_the_order() -> None:
    value = one("nordea_pain_002_v3_payment_reject", "payment_report").value
    assert isinstance(value, PaymentReport)
    assert (value.status, value.reason, value.transfers) == ("rejected", "NARR", ())


def test_a_banks_own_statement_adds_up_or_says_where_it_does_not() -> None:
    value = one("ing_example", "bank_statement").value
    assert isinstance(value, BankStatement)
    assert (value.opening, value.closing) == (Amount("1000.00"), Amount("1605.00"))
    assert len({entry.key for entry in value.entries}) == len(value.entries) > 5
    moved = sum(entry.amount if entry.direction == "credit" else -entry.amount for entry in value.entries)
    assert value.opening is not None
    assert value.opening + moved == value.closing
