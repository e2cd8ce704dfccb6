"""What the ERP answers, and what becomes of the invoice: posted, held, or asked for; the AP side is told."""

from __future__ import annotations

from datetime import timedelta

from support.house import House, replaced
from support.papers import SUPPLIER_ID, invoice, order, receipt, supplier
from support.times import MORNING
from tripartite.components.invoices.store import keep_suppliers
from tripartite.core import codec
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import BankAccount, Posting
from tripartite.core.objects.notice import HoldReported, PostingReported
from tripartite.runtime.deliveries import OUTCOMES

OPEN = "SELECT reason_code FROM invoices.exception WHERE state = 'open' ORDER BY 1"


async def ready(house: House, *, source_document: str = "") -> str:
    await house.bring(supplier(), order(), receipt())
    return await house.bring_invoice(invoice(), source_document=source_document)


async def test_a_posting_the_erp_rejects_is_held_with_its_reason_and_not_sent_again(house: House) -> None:
    await ready(house)
    house.sap.script.append("reject")
    await house.settle()
    assert (await house.state(), await house.codes()) == ("held", ["posting.rejected"])
    records = await house.rows("SELECT record FROM invoices.exception WHERE state = 'open'")
    assert "Period 10/2026 is closed" in codec.decode(records[0][0], ExceptionRecord).words
    house.clock.turn(days=2)
    await house.bring(receipt("GR-2", "5"))  # a fact that makes it decide again
    await house.settle()
    assert await house.state() == "held"
    assert len(house.sap.sent_keys) == 1


async def test_silence_opens_an_exception_that_clears_when_the_probe_finds_the_posting(house: House) -> None:
    await ready(house)
    house.sap.script.append("commit_then_hang")
    await house.settle()
    assert await house.state() == "to_post"
    assert await house.rows(OPEN) == [("posting.outcome_unknown",)]
    assert await house.codes() == ["posting.outcome_unknown"]
    house.clock.turn(10)
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])
    assert await house.rows(OPEN) == []
    assert list(house.sap.effects.values()) == [1]
    assert len(house.sap.sent_keys) == 1, "what may have happened is asked for, not sent again"


async def test_a_posting_set_aside_after_the_last_attempt_stays_owed_and_says_so(house: House) -> None:
    await ready(house)
    house.sap.script.extend(["busy"] * 20)
    for _ in range(12):
        await house.settle()
        house.clock.turn(600)
    assert await house.deliveries() == ["dead_letter"]
    assert (await house.state(), await house.codes()) == ("to_post", ["integration.retries_exhausted"])
    assert len(house.sap.calls) == 8


async def test_a_dead_letter_sent_again_after_the_cause_is_gone_posts_and_clears_its_exception(house: House) -> None:
    await ready(house)
    house.sap.script.extend(["busy"] * 8)
    for _ in range(9):
        await house.settle()
        house.clock.turn(600)
    assert await house.deliveries() == ["dead_letter"]
    async with house.db.connection() as connection:
        await connection.execute(
            "UPDATE deliveries.delivery SET state = 'waiting', attempts = 0, reason_code = '', due_at = %s",
            (house.clock.at,),
        )
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])
    assert await house.rows(OPEN) == []
    assert list(house.sap.effects.values()) == [1]


async def test_facts_that_come_while_the_erp_is_silent_leave_the_question_open(house: House) -> None:
    await ready(house)
    house.sap.script.append("commit_then_hang")
    await house.settle()
    await house.bring(receipt("GR-2", "5"))
    assert await house.codes() == ["posting.outcome_unknown"]
    house.clock.turn(60)
    await house.settle()
    assert (await house.state(), await house.codes()) == ("posted", [])


async def test_the_ap_side_hears_the_number_and_the_year_of_the_posting(house: House) -> None:
    invoice_id = await ready(house, source_document="cap-17")
    await house.settle()
    sent = [item for call in house.remotes["capture"].calls for item in call]
    assert [item.operation for item in sent] == ["report_posting"]
    notice = codec.decode(sent[0].payload, PostingReported)
    assert (notice.invoice_id, notice.source_document_id) == (invoice_id, "cap-17")
    assert (notice.document, notice.year, notice.payment_block) == ("5105600001", "2026", "")


async def test_the_ap_side_hears_why_an_invoice_is_held(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice(), source_document="cap-18")
    await house.settle()
    sent = [item for call in house.remotes["capture"].calls for item in call]
    assert [item.operation for item in sent] == ["report_hold"]
    notice = codec.decode(sent[0].payload, HoldReported)
    assert notice.source_document_id == "cap-18"
    assert notice.reason_codes == ("match.quantity_over_received",)
    assert "10" in notice.message


async def test_our_own_api_is_not_told_what_it_can_ask(house: House) -> None:
    await ready(house)
    await house.settle()
    assert house.remotes["capture"].calls == []


async def test_a_receipt_reversed_after_posting_blocks_the_payment_and_leaves_the_liability(house: House) -> None:
    await ready(house)
    await house.settle()
    assert await house.value("SELECT payment_block FROM invoices.invoice") is False
    await house.bring(receipt("GR-1R", "10", kind="reversal", takes_from="GR-1"))
    await house.settle()
    assert await house.state() == "posted"
    assert await house.value("SELECT payment_block FROM invoices.invoice") is True
    assert await house.rows(OPEN) != []
    assert len(house.sap.sent_keys) == 1
    await house.bring(receipt("GR-9", "10"))
    assert await house.rows(OPEN) == [], "goods that come again clear it"
    assert await house.value("SELECT payment_block FROM invoices.invoice") is False


async def test_a_return_before_the_posting_is_sent_opens_an_exception_beside_what_was_released(house: House) -> None:
    await ready(house)
    await house.bring(receipt("RT-1", "4", kind="return", takes_from="GR-1"))
    assert await house.state() == "to_post"
    assert await house.value("SELECT payment_block FROM invoices.invoice") is True
    assert await house.rows(OPEN) != []


async def test_an_outcome_told_twice_changes_nothing_more(house: House) -> None:
    await ready(house)
    await house.settle()
    before = await house.rows("SELECT state, version, document, posted_at FROM invoices.invoice")
    leaves = await house.value("SELECT count(*) FROM audit.leaf")
    # The cursor of a restored database stands earlier than the work: everything is read once more.
    await house.rewind("invoices", OUTCOMES)
    assert await house.pump() > 0
    after = await house.rows("SELECT state, version, document, posted_at FROM invoices.invoice")
    assert [(row[0], row[2], row[3]) for row in after] == [(row[0], row[2], row[3]) for row in before]
    assert await house.value("SELECT count(*) FROM audit.leaf") == leaves
    assert await house.deliveries() == ["settled"]


async def test_every_decision_and_every_posting_has_exactly_one_leaf(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    await house.bring(receipt("GR-2", "4"))
    await house.settle()
    decisions = await house.rows("SELECT leaf_id FROM invoices.decision")
    leaves = await house.rows("SELECT leaf_id FROM audit.leaf WHERE kind = 'decision'")
    assert len(decisions) == 2
    assert sorted(decisions) == sorted(leaves)
    assert await house.value("SELECT count(*) FROM audit.leaf WHERE kind = 'invoice.posted'") == 1
    assert await house.value("SELECT count(*) FROM audit.leaf WHERE kind = 'delivery.settled'") == 1


async def test_an_invoice_whose_goods_are_still_expected_is_parked_and_after_five_days_somebody_must_act(
    house: House,
) -> None:
    from tripartite.components.invoices.flows import look_again

    await house.bring(supplier(), order())
    await house.bring_invoice(invoice())
    assert (await house.state(), await house.codes()) == ("parked", ["match.not_received"])
    due = await house.value("SELECT next_check_at FROM invoices.invoice")
    assert MORNING < due <= MORNING + timedelta(days=1)
    house.clock.turn(days=2)
    await look_again(house.ports)
    await house.pump()
    assert await house.state() == "parked"
    house.clock.turn(days=4)
    await look_again(house.ports)
    await house.pump()
    assert await house.state() == "held"
    assert await house.value("SELECT next_check_at FROM invoices.invoice") is None


async def test_a_connection_that_is_only_observed_decides_and_sends_nothing(observing: House) -> None:
    await ready(observing)
    await observing.settle()
    assert await observing.state() == "observed"
    assert observing.sap.calls == []
    assert await observing.deliveries() == []


async def test_a_replaced_invoice_is_out_and_its_correction_is_posted(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "9"))
    await house.bring_invoice(invoice("RE-1"))
    assert await house.state("RE-1") == "held"
    await house.bring_invoice(replaced(invoice("RE-1-K", "9"), replaces="RE-1"))
    await house.settle()
    assert await house.state("RE-1") == "replaced"
    assert await house.state("RE-1-K") == "posted"


async def test_a_block_that_a_posting_carries_is_one_the_erp_lifts_and_it_is_lifted_once_nothing_stands_against(
    house: House,
) -> None:
    """The supplier asks for the money on an account that nobody knows: booked with a block, free once it is known."""
    account = BankAccount("DE89370400440532013000", "COBADEFFXXX")
    await house.bring(supplier(accounts=(BankAccount("DE02120300000000202051", "BYLADEM1001"),)), order(), receipt())
    await house.bring_invoice(invoice(remit_to=account))
    posting = await house.value("SELECT payload FROM deliveries.delivery WHERE operation = 'post_invoice'")
    assert codec.decode(posting, Posting).payment_block == "R"
    await house.settle()
    assert (await house.state(), await house.deliveries("release_payment_block")) == ("posted", [])
    known = supplier(version=2, accounts=(BankAccount("DE02120300000000202051", "BYLADEM1001"), account))
    async with house.db.connection() as connection:
        await keep_suppliers(connection, [replaced(known, supplier_id=SUPPLIER_ID)])
    for number in ("GR-2", "GR-3"):  # facts that make it decide again, the second one with nothing new to say
        await house.bring(receipt(number, "1"))
        await house.settle()
    assert (await house.codes(), await house.deliveries("release_payment_block")) == ([], ["settled"])


async def test_what_passes_is_posted_free(house: House) -> None:
    await ready(house)
    posting = await house.value("SELECT payload FROM deliveries.delivery WHERE operation = 'post_invoice'")
    assert codec.decode(posting, Posting).payment_block == ""
    await house.settle()
    assert await house.value("SELECT count(*) FROM invoices.block_in_erp") == 0
