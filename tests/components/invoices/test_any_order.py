"""The same facts, doubled and in any order, end in the same state (I23): the order among rivals for the same goods is
kept, and nothing has left the house yet. Arrival metadata (times, sequence, how often it was decided) is no state.
"""

from __future__ import annotations

import hashlib
import random
from datetime import date
from typing import Any

import pytest

from support.house import House, arrival
from support.papers import invoice, order, receipt, requisition, supplier
from tripartite.core import codec
from tripartite.runtime.bus import Outgoing

ONE, TWO, THREE, FOUR = "4500000001", "4500000002", "4500000003", "4500000004"


def facts() -> list[list[Any]]:
    """A small month. Each inner list keeps its order: rivals for the same goods; all else may come as it likes."""
    return [
        [supplier()],
        [supplier(version=2, payment_terms="N30")],
        [supplier("10300002")],
        [requisition()],
        # A partial delivery completed later, and an order that was amended.
        [order(ONE)],
        [order(ONE, price="4.10", version=2)],
        [receipt("GR-1", "6", of=ONE)],
        [receipt("GR-2", "4", of=ONE)],
        [invoice("RE-1", of=ONE, price="4.10")],
        # Three rivals for twenty pieces: the third finds nothing left.
        [order(TWO, "20")],
        [receipt("GR-3", "20", of=TWO)],
        [invoice(f"RE-2{place}", "10", of=TWO, price="4.00", issued_on=day(place)) for place in (1, 2, 3)],
        # More came than was billed, and what was too much went back: ten are there in the end.
        [order(THREE, "12", of="10300002")],
        [receipt("GR-4", "12", of=THREE)],
        [receipt("RT-4", "2", of=THREE, kind="return", takes_from="GR-4")],
        [invoice("RE-3", of=THREE, by="10300002")],
        # A receipt keyed to the wrong line's quantity, reversed and entered anew, and never enough for the invoice.
        [order(FOUR, of="10300002")],
        [receipt("GR-5", "3", of=FOUR)],
        [receipt("GR-5R", "3", of=FOUR, kind="reversal", takes_from="GR-5")],
        [receipt("GR-6", "4", of=FOUR)],
        [invoice("RE-4", of=FOUR, by="10300002")],
        # No order at all.
        [invoice("RE-5", of="4599999999")],
    ]


def day(place: int) -> date:
    return date(2026, 11, place)


def shuffled(seed: int) -> list[Outgoing]:
    """All facts in an order drawn from the seed, about a third of them told twice."""
    chance = random.Random(seed)
    piles = [list(pile) for pile in facts()]
    told: list[Outgoing] = []
    while piles:
        pile = chance.choice(piles)
        value = pile.pop(0)
        source = "api" if type(value).__name__ == "Invoice" else "coupa"
        told.append(arrival(value, source))
        if not pile:
            piles.remove(pile)
    for twin in chance.sample(told, len(told) // 3):
        told.insert(chance.randrange(told.index(twin) + 1, len(told) + 1), twin)
    return told


async def digest_of(house: House) -> tuple[str, dict[str, Any]]:
    state = {
        "invoices": await house.rows(
            """SELECT number, state, verdict, ARRAY(SELECT unnest(reason_codes) ORDER BY 1), payable_now, money_at_risk,
            payment_block FROM invoices.invoice ORDER BY number"""
        ),
        "exceptions": await house.rows(
            """SELECT i.number, e.line, e.reason_code FROM invoices.exception e
            JOIN invoices.invoice i USING (invoice_id) WHERE e.state = 'open' ORDER BY 1, 2, 3"""
        ),
        "deliveries": await house.rows(
            """SELECT i.number, d.connection, d.operation, d.state, d.request_digest FROM deliveries.delivery d
            JOIN invoices.invoice i ON i.invoice_id = d.object_id WHERE d.operation = 'post_invoice' ORDER BY 1"""
        ),
        "orders": await house.rows("SELECT number, version FROM orders.purchase_order ORDER BY 1"),
        "receipts": await house.rows("SELECT number, version FROM receipts.receipt ORDER BY 1"),
        "suppliers": await house.rows("SELECT number, version, document FROM suppliers.supplier ORDER BY 1"),
        "queue": await house.rows(
            "SELECT object_id, reason_code FROM control.exception WHERE state = 'open' ORDER BY 1, 2"
        ),
    }
    return hashlib.sha256(codec.encode(state)).hexdigest(), state


async def played(house: House, seed: int) -> dict[str, Any]:
    chance = random.Random(f"pauses/{seed}")
    waiting: list[Outgoing] = []
    for outgoing in shuffled(seed):
        waiting.append(outgoing)
        if chance.random() < 0.4:
            await house.publish(*waiting)
            waiting.clear()
            await house.pump()
    await house.publish(*waiting)
    await house.pump()
    return (await digest_of(house))[1]


EXPECTED = {
    "RE-1": "to_post",
    "RE-21": "to_post",
    "RE-22": "to_post",
    "RE-23": "held",
    "RE-3": "to_post",
    "RE-4": "held",
    "RE-5": "held",
}


@pytest.fixture(scope="module")
def first_state() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("seed", range(12))
async def test_facts_doubled_and_in_any_order_end_in_the_same_state(
    house: House, seed: int, first_state: dict[str, Any]
) -> None:
    state = await played(house, seed)
    assert {row[0]: row[1] for row in state["invoices"]} == EXPECTED
    before = first_state.setdefault("state", state)
    for part, rows in state.items():
        assert rows == before[part], f"{part} differ from the first seed"


async def test_the_same_seed_gives_the_same_bytes(house: House) -> None:
    await played(house, 3)
    first = (await digest_of(house))[0]
    for outgoing in shuffled(3):
        await house.publish(outgoing)
    await house.pump()
    assert (await digest_of(house))[0] == first, "everything told once more changes nothing"


async def test_a_return_before_the_decision_holds_and_after_it_blocks_the_payment(house: House) -> None:
    """The one difference that is meant: what was released stays released, and the claim stands beside it."""
    for number, facts_in_order in (
        ("RE-A", ["invoice", "return"]),
        ("RE-B", ["return", "invoice"]),
    ):
        name = {"RE-A": ONE, "RE-B": TWO}[number]
        await house.bring(supplier(), order(name), receipt(f"GR-{number}", of=name))
        for what in facts_in_order:
            if what == "invoice":
                await house.bring(invoice(number, of=name, issued_on=day(1 + len(number))), source="api")
            else:
                await house.bring(receipt(f"RT-{number}", "4", of=name, kind="return", takes_from=f"GR-{number}"))
    rows = await house.rows("SELECT number, state, payment_block FROM invoices.invoice ORDER BY number")
    assert rows == [("RE-A", "to_post", True), ("RE-B", "held", False)]
    assert "match.quantity_returned" in await house.codes("RE-A")
    assert set(await house.codes("RE-B")) & {"match.quantity_over_received", "match.quantity_returned"}


def test_no_two_facts_are_the_same_and_no_two_seeds_tell_them_alike() -> None:
    values = [value for pile in facts() for value in pile]
    assert len({codec.encode(value) for value in values}) == len(values)
    assert len(shuffled(1)) == len(values) + len(values) // 3
    assert [each.message.message_id for each in shuffled(1)] != [each.message.message_id for each in shuffled(2)]
