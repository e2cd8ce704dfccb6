"""Whether an invoice is paid, whether it may be paid, and whether a cost centre may be posted to, as SAP says it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connectors.sap_s4hana.sap_bench import Sap, line, outbound, posting
from tripartite.core.codec import decode, encode
from tripartite.core.money import Amount
from tripartite.core.objects import Clearing, CostCentre, PaymentRelease
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Absent, Answer, HttpFailure, Outbound, Rejected, RetryLater, Settled, Unknown

DOCUMENT = "5105600001/2026"


async def status(sap: Sap, document: str = DOCUMENT) -> Clearing | None:
    found = await sap.client.ask("payment_status_of_invoice", {"company_code": "1010", "document": document})
    return decode(found[0].content, Clearing) if found else None


async def post(sap: Sap, **changes: Any) -> None:
    (answer,) = await sap.client.submit([outbound(posting(**changes))])
    assert isinstance(answer, Settled)


# Payment status


async def test_an_invoice_is_open_then_in_a_payment_run_then_paid_then_open_again(sap: Sap) -> None:
    await post(sap)
    found = await status(sap)
    assert found is not None
    assert (found.state, found.amount, found.currency) == ("open", Amount("1190.00"), "EUR")
    sap.bench.arrange({"payments": [{"document": DOCUMENT, "proposed": True}]})
    assert (await status(sap)).state == "in_payment"  # type: ignore[union-attr]
    sap.bench.arrange({"payments": [{"document": DOCUMENT, "on": "2026-12-01"}]})
    paid = await status(sap)
    assert paid is not None
    assert (paid.state, paid.cleared_on, paid.clearing_document) == ("paid", date(2026, 12, 1), "1500000001/2026")
    sap.bench.arrange({"payments": [{"document": DOCUMENT, "reset": True}]})
    assert (await status(sap)).state == "open"  # type: ignore[union-attr]


async def test_cleared_by_an_accountant_or_a_reversal_is_not_paid(sap: Sap) -> None:
    await post(sap)
    sap.bench.arrange({"payments": [{"document": DOCUMENT, "kind": "SA"}]})
    assert (await status(sap)).state == "cleared"  # type: ignore[union-attr]
    other = Sap()
    await post(other)
    world = other.bench.truth.__self__.world  # type: ignore[attr-defined]
    world.bookings[0].reversed_by = "5105600099"
    assert (await status(other)).state == "reversed"  # type: ignore[union-attr]


async def test_an_invoice_that_sap_does_not_have_has_no_status(sap: Sap) -> None:
    assert await status(sap, "5105699999/2026") is None


async def test_a_question_that_is_not_answered_says_so(sap: Sap) -> None:
    sap.fault("read", "reply.5xx")
    with pytest.raises(HttpFailure):
        await status(sap)


# Payment blocks


def release(document: str = DOCUMENT) -> Outbound:
    value = PaymentRelease("inv_1", "1010", document)
    return Outbound("dlv_release", "release_payment_block", "1010", encode(value))


async def let_go(sap: Sap, document: str = DOCUMENT) -> Answer:
    (answer,) = await sap.client.submit([release(document)])
    return answer


async def blocked(sap: Sap) -> None:
    dear = line(amount=Amount("1000.00"), quantity=Quantity("5"))  # twice the order's price: verification blocks it
    await post(sap, lines=(dear,))
    assert sap.ledger()[0]["payment_block"] == "R"


async def test_the_block_of_invoice_verification_is_lifted_and_read_back(sap: Sap) -> None:
    await blocked(sap)
    assert isinstance(await sap.client.probe(release()), Absent)
    assert await let_go(sap) == Settled(DOCUMENT, "free for payment")
    assert sap.ledger()[0]["payment_block"] == ""
    assert await let_go(sap) == Settled(DOCUMENT, "free for payment")
    assert sap.bench.calls["invoice_action"] == 1


async def test_a_block_set_by_hand_is_refused_with_its_key(sap: Sap) -> None:
    await post(sap, payment_block="A")
    assert await let_go(sap) == Rejected("posting.unwritable", "block A was set by hand; SAP lifts only R")
    assert sap.ledger()[0]["payment_block"] == "A"


async def test_a_release_whose_answer_was_lost_is_found_and_one_that_did_nothing_is_not_believed(sap: Sap) -> None:
    await blocked(sap)
    sap.fault("release_payment_block", "lie_dropped")
    assert isinstance(await let_go(sap), Unknown)
    assert isinstance(await sap.client.probe(release()), Absent)
    sap.fault("release_payment_block", "commit_then_hang")
    assert isinstance(await let_go(sap), Unknown)
    assert isinstance(await sap.client.probe(release()), Settled)


async def test_a_locked_invoice_and_an_unknown_one(sap: Sap) -> None:
    await blocked(sap)
    sap.fault("release_payment_block", "lock")
    assert isinstance(await let_go(sap), RetryLater)
    answer = await let_go(sap, "5105699999/2026")
    assert isinstance(answer, Rejected)
    assert answer.code == "posting.probe_conflict"
    assert isinstance(await let_go(sap, "not a document"), Rejected)


# Cost centres


async def test_a_cost_centre_may_be_posted_to_only_while_it_is_valid_and_not_blocked(sap: Sap) -> None:
    sap.bench.arrange(
        {
            "cost_centres": [
                {"number": "10101301", "company": "1010", "valid_to": "2026-06-30"},
                {"number": "10101301", "company": "1010", "valid_from": "2026-07-01", "blocked": True},
                {"number": "10101302", "company": "1010"},
            ]
        }
    )

    async def asked(number: str, on: str, company: str = "1010") -> CostCentre | None:
        found = await sap.client.ask("cost_centre", {"company_code": company, "cost_centre": number, "on": on})
        return decode(found[0].content, CostCentre) if found else None

    assert await asked("10101301", "2026-06-30") == CostCentre("10101301", "1010", valid_to=date(2026, 6, 30))
    assert await asked("10101301", "2026-07-01") is None
    assert (await asked("0010101302", "2026-07-01")).code == "10101302"  # type: ignore[union-attr]
    assert await asked("10101302", "2026-07-01", "2010") is None
    assert await asked("77", "2026-07-01") is None
