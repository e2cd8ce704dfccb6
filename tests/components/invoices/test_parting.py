"""Paying the proven part: what came is posted and may be paid, what did not come stays held, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from support.api import Api
from support.caller import Answer, Caller
from support.estates import baseline_pack
from support.house import House, replaced
from support.papers import invoice, order, receipt, supplier
from tripartite.core import codec
from tripartite.core.money import Amount
from tripartite.core.objects import Invoice, InvoiceLine
from tripartite.core.objects.posting import Posting
from tripartite.core.quantity import Quantity

AP = ("invoice.short_pay", "invoice.refuse", "exception.work", "invoice.read", "role.ap")
BUYER = ("invoice.refuse", "exception.work", "invoice.read", "role.buyer")


def two_lines(quantities: Sequence[str] = ("10", "12"), number: str = "RE-1001", **further: Any) -> Invoice:
    """A bill of two order lines at 4.00 with 19 % tax."""
    one = invoice(number)
    lines = tuple(
        replaced(
            one.lines[0],
            line=place,
            order_line=place * 10,
            quantity=Quantity(quantity),
            amount=Amount(Decimal(quantity) * Decimal("4.00")),
        )
        for place, quantity in enumerate(quantities, 1)
    )
    return with_lines(one, lines, **further)


def with_lines(one: Invoice, lines: tuple[InvoiceLine, ...], **further: Any) -> Invoice:
    net = sum((Decimal(line.amount or 0) for line in lines), Decimal(0)).quantize(Decimal("0.01"))
    tax = (net * 19 / 100).quantize(Decimal("0.01"))
    taxes = (replaced(one.taxes[0], amount=Amount(tax), base=Amount(net)),)
    sums = {"net": Amount(net), "tax": Amount(tax), "gross": Amount(net + tax)}
    return replaced(one, **{"lines": lines, "taxes": taxes, **sums, **further})


async def held_for_one_line(house: House, **further: Any) -> str:
    """Ten came of each of two lines; ten and twelve are billed."""
    await house.bring(supplier(), order(lines=2, quantity="20"), receipt(), receipt("GR-2", line=20))
    invoice_id = await house.bring_invoice(two_lines(), **further)
    assert (await house.state(), await house.codes()) == ("held", ["match.quantity_over_received"])
    return invoice_id


async def offer(caller: Caller, invoice_id: str) -> dict[str, Any]:
    answer = await caller.get(f"/v1/invoices/{invoice_id}/proven-part")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


async def part(caller: Caller, invoice_id: str, key: str = "", **told: Any) -> Answer:
    shown = await offer(caller, invoice_id)
    body = {"why": "the ten that came are paid", "content_hash": shown["content_hash"], **told}
    headers = [("idempotency-key", key)] if key else []
    return await caller.post(f"/v1/invoices/{invoice_id}/proven-part", json.dumps(body).encode(), headers=headers)


async def family(house: House) -> dict[str, tuple[str, str, str]]:
    """number/id tail -> (state, gross, codes)."""
    rows = await house.rows("SELECT invoice_id, state, gross, reason_codes FROM invoices.invoice ORDER BY invoice_id")
    return {row[0].partition(".")[2]: (row[1], f"{row[2]:.2f}", " ".join(row[3])) for row in rows}


async def released(house: House) -> dict[int, int]:
    rows = await house.rows("SELECT order_line, sum(quantity) FROM invoices.allocation GROUP BY 1 ORDER BY 1")
    return {row[0]: int(row[1]) for row in rows}


def booked(house: House) -> list[Posting]:
    return [codec.decode(each.payload, Posting) for call in house.sap.calls for each in call]


def under(house: House, **tables: Any) -> None:
    """The house decides under another policy: table -> its rows."""
    pack = house.ports.pack
    object.__setattr__(house.ports, "pack", replaced(pack, rows={**pack.rows, **tables}))


async def test_what_came_is_posted_and_the_rest_stays_held(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    shown = await offer(ada, invoice_id)
    assert (shown["possible"], shown["gross"], shown["rest_gross"]) == (True, "95.20", "9.52")
    assert [(line["line"], line["quantity"]) for line in shown["lines"]] == [("1", "10"), ("2", "10")]
    answer = await part(ada, invoice_id)
    assert (answer.status, answer.json()["what"], answer.json()["state"]) == (200, "parted", "to_post"), answer
    await house.settle()
    assert await family(house) == {
        "": ("replaced", "104.72", ""),
        "1": ("posted", "95.20", ""),
        "2": ("parked", "9.52", "match.not_received"),
    }
    (posting,) = booked(house)
    assert (str(posting.gross), str(posting.net), str(posting.tax)) == ("95.20", "80.00", "15.20")
    assert [(line.order_line, str(line.quantity), str(line.amount)) for line in posting.lines] == [
        (10, "10", "40.00"),
        (20, "10", "40.00"),
    ]
    assert await released(house) == {10: 10, 20: 10}
    assert (await house.value("SELECT payable_now FROM invoices.invoice WHERE part_of <> '' AND state = 'posted'")) == (
        Decimal("95.20")
    )
    payable = await house.rows("SELECT invoice_id, number, amount FROM payments.item")
    assert payable == [(f"{invoice_id}.1", "RE-1001", Decimal("95.20"))], "the part may be paid, the rest may not"
    kinds = await house.rows("SELECT kind FROM audit.leaf WHERE kind LIKE 'act.%'")
    assert [row[0] for row in kinds] == ["act.parted"]


async def test_the_rest_passes_by_itself_once_the_goods_came(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    await part(await api.person("ada", AP), invoice_id)
    await house.settle()
    await house.bring(receipt("GR-3", "2", line=20))
    await house.settle()
    assert await family(house) == {
        "": ("replaced", "104.72", ""),
        "1": ("posted", "95.20", ""),
        "2": ("posted", "9.52", ""),
    }
    postings = booked(house)
    assert [(each.invoice_number, str(each.gross)) for each in postings] == [
        ("RE-1001", "95.20"),
        ("RE-1001-2", "9.52"),
    ]
    assert sum(Decimal(each.gross) for each in postings) == Decimal("104.72"), "exactly what was billed"
    assert await released(house) == {10: 10, 20: 12}


async def test_a_credit_memo_for_the_rest_settles_it_and_what_is_owed_is_what_came(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    await part(await api.person("ada", AP), invoice_id)
    await house.settle()
    credit = invoice("GS-1", "2", line=20, kind="credit_memo", original="RE-1001")
    await house.bring(replaced(credit, lines=(replaced(credit.lines[0], order_line=20),)), source="api")
    await house.settle()
    postings = booked(house)
    owed = sum(Decimal(each.gross) * (-1 if each.credit else 1) for each in postings)
    assert owed == Decimal("95.20"), [(each.invoice_number, str(each.gross), each.credit) for each in postings]
    assert await released(house) == {10: 10, 20: 10}
    assert (await family(house))["2"][0] == "posted"


async def test_the_rest_that_is_not_owed_is_refused_and_the_part_stays_posted(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    await part(ada, invoice_id)
    await house.settle()
    open_of_rest = await house.rows("SELECT exception_id, invoice_id FROM invoices.exception WHERE state = 'open'")
    assert len(open_of_rest) == 1
    buyer = await api.person("bea", (*BUYER, "role.receiving"))
    path = f"/v1/invoices/{open_of_rest[0][1]}/exceptions/{open_of_rest[0][0]}/refusal"
    answer = await buyer.post(path, json.dumps({"why": "two never came"}).encode())
    assert answer.status == 200, answer
    await house.settle()
    assert {tail: state for tail, (state, _, _) in (await family(house)).items()} == {
        "": "replaced",
        "1": "posted",
        "2": "refused",
    }
    resent = await house.bring_invoice(replaced(two_lines(), due_on=None, payment_terms="net 30"))
    codes = await house.value("SELECT reason_codes FROM invoices.invoice WHERE invoice_id = %s", resent)
    assert codes == ["duplicate.exact"], "what was settled by parts is not billed again"
    assert await house.value("SELECT state FROM invoices.invoice WHERE invoice_id = %s", resent) == "refused"


async def test_the_same_bill_under_a_number_of_nearly_the_same_spelling_is_a_repeat_of_the_parts(
    house: House, api: Api
) -> None:
    invoice_id = await held_for_one_line(house)
    await part(await api.person("ada", AP), invoice_id)
    await house.settle()
    other = await house.bring_invoice(two_lines(number="RE-10O1"))
    codes = await house.value("SELECT reason_codes FROM invoices.invoice WHERE invoice_id = %s", other)
    assert codes == ["duplicate.probable"]


async def test_another_bill_of_the_parts_amount_and_day_is_no_repeat_of_it(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    await part(await api.person("ada", AP), invoice_id)
    await house.settle()
    await house.bring(order("4500000002", quantity="20"), receipt("GR-9", "20", of="4500000002"))
    await house.bring_invoice(invoice("RE-7777", "20", of="4500000002"))
    assert await house.state("RE-7777") == "to_post"


@pytest.mark.parametrize("turn", [0, 1])
async def test_the_rest_and_a_later_bill_compete_in_the_order_of_arrival(house: House, api: Api, turn: int) -> None:
    invoice_id = await held_for_one_line(house)
    later = invoice("RE-2002", "2", line=20)
    if turn:
        await house.bring_invoice(later)
    await part(await api.person("ada", AP), invoice_id)
    if not turn:
        await house.bring_invoice(later)
    await house.bring(receipt("GR-3", "2", line=20))
    await house.settle()
    assert (await family(house))["2"][0] == "posted", "the earlier claim comes first"
    assert await house.state("RE-2002") in ("held", "parked")
    assert await released(house) == {10: 10, 20: 12}


async def test_the_part_is_approved_as_what_was_billed(house: House, api: Api) -> None:
    """Above a hundred a yes is needed; a part below it, of a bill above it, needs it too."""
    free = next(row for row in baseline_pack().table("approval") if row.basis == "order")
    asked = replaced(free, id="order-eur", currency="EUR", above="100.00", approver="approver", approvals=1)
    under(house, approval=(free, asked))
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    assert (await offer(ada, invoice_id))["gross"] == "95.20"
    answer = await part(ada, invoice_id)
    assert answer.status == 409, answer
    assert "approval" in answer.json()["detail"]
    assert await house.state() == "held", "nothing was done"
    assert await house.value("SELECT count(*) FROM invoices.invoice") == 1
    denied = await house.rows("SELECT kind FROM audit.leaf WHERE kind LIKE 'act.%'")
    assert [row[0] for row in denied] == ["act.denied"]


async def test_nobody_parts_what_the_policy_keeps_whole(house: House, api: Api) -> None:
    under(house, matching=tuple(replaced(row, partial_release="no") for row in baseline_pack().table("matching")))
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    assert (await offer(ada, invoice_id))["possible"] is False
    answer = await part(ada, invoice_id)
    assert (answer.status, answer.json()["reason_code"]) == (409, "match.quantity_over_received")
    assert await house.state() == "held"


async def test_a_price_in_question_keeps_its_line_and_the_others_are_paid(house: House, api: Api) -> None:
    await house.bring(supplier(), order(lines=2), receipt(), receipt("GR-2", line=20))
    bill = two_lines(("10", "10"))
    dear = replaced(bill.lines[1], price=Amount("5.00"), amount=Amount("50.00"))
    invoice_id = await house.bring_invoice(with_lines(bill, (bill.lines[0], dear)))
    shown = await offer(await api.person("ada", AP), invoice_id)
    assert (shown["possible"], shown["gross"], shown["rest_gross"]) == (True, "47.60", "59.50"), shown


async def test_a_part_needs_a_reason_a_role_the_content_and_free_hands(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    assert (await part(ada, invoice_id, why=" ")).status == 422
    assert (await part(ada, invoice_id, content_hash="0" * 64)).json()["reason_code"] == "approval.changed_after"
    tess = await api.person("tess", ("invoice.short_pay", "invoice.read", "role.tax"))
    assert (await part(tess, invoice_id)).json()["reason_code"] == "access.not_permitted"
    machine = await api.caller(("invoice.read",))
    assert (await part(machine, invoice_id)).status == 403
    assert await house.state() == "held"


async def test_the_same_request_again_parts_once(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    first = await part(ada, invoice_id, key="once")
    assert first.status == 200
    second = await part(ada, invoice_id, key="once")
    assert (second.status, second.body) == (200, first.body)
    third = await part(ada, invoice_id)
    assert third.json()["reason_code"] == "integration.version_stale"
    assert await house.value("SELECT count(*) FROM invoices.invoice") == 3


async def test_the_rest_may_be_parted_again(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    ada = await api.person("ada", AP)
    await part(ada, invoice_id)
    await house.bring(receipt("GR-3", "1", line=20))
    answer = await part(ada, f"{invoice_id}.2")
    assert answer.status == 200, answer
    await house.settle()
    found = await family(house)
    assert {tail: state for tail, (state, _, _) in found.items()} == {
        "": "replaced",
        "1": "posted",
        "2": "replaced",
        "2.1": "posted",
        "2.2": "parked",
    }
    assert found["2.2"] == ("parked", "4.76", "match.not_received")
    numbers = await house.rows("SELECT number FROM invoices.invoice WHERE state IN ('posted', 'parked') ORDER BY 1")
    assert [row[0] for row in numbers] == ["RE-1001", "RE-1001-2", "RE-1001-3"]
    assert await released(house) == {10: 10, 20: 11}


async def test_the_system_it_came_from_hears_of_both_parts(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house, source_document="cap-1")
    await part(await api.person("ada", AP), invoice_id)
    await house.settle()
    told = await house.rows("SELECT operation, state FROM deliveries.delivery WHERE connection = 'capture'")
    assert sorted(told) == [("report_hold", "settled"), ("report_posting", "settled")]


async def test_a_reversal_after_the_part_was_posted_blocks_its_payment(house: House, api: Api) -> None:
    invoice_id = await held_for_one_line(house)
    await part(await api.person("ada", AP), invoice_id)
    await house.settle()
    await house.bring(receipt("GR-1R", "4", line=10, kind="reversal", takes_from="GR-1"))
    found = await house.rows(
        "SELECT state, payment_block FROM invoices.invoice WHERE invoice_id = %s", f"{invoice_id}.1"
    )
    assert found == [("posted", True)]


async def test_the_database_refuses_parts_that_do_not_come_to_the_whole(house: House) -> None:
    invoice_id = await held_for_one_line(house)
    copied = """INSERT INTO invoices.invoice
        SELECT (jsonb_populate_record(i, jsonb_build_object('invoice_id', i.invoice_id || '.1', 'part_of',
            i.invoice_id))).* FROM invoices.invoice i WHERE invoice_id = %s"""
    with pytest.raises(psycopg.errors.CheckViolation, match="come to"):
        async with house.db.connection() as connection:
            await connection.execute(copied.encode(), (invoice_id,))
