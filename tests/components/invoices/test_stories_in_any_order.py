"""Random stories of orders, receipts, returns, invoices and credits end the same however they arrive (I23).

Each seed makes a story. It is told once in its own order, and again mixed and partly doubled, with other pauses. Kept
is only the order that has a meaning: versions of one order's price, what took goods back before its bills came, and
bills that compete for the same goods. A credit may come at any time, before its bill too.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.clones import Clones
from support.house import House, arrival, replaced
from support.papers import invoice, order, receipt, supplier
from support.times import MORNING
from tripartite.components.orders.billed import sums
from tripartite.core import codec
from tripartite.core.objects import Billed, Invoice

FIRST = date(2026, 9, 1)


def story(seed: int) -> list[list[Any]]:
    """Piles of facts; a pile keeps its order."""
    chance = random.Random(f"story/{seed}")
    piles: list[list[Any]] = [[supplier()]]
    days = iter(range(1, 200))
    for place in range(chance.randint(1, 3)):
        number = f"45000000{place + 1:02d}"
        ordered = chance.choice((10, 20, 30))
        first = order(number, str(ordered), price="4.00", lines=chance.choice((1, 2)))
        piles.append([replaced(first, issued_on=date(2026, 8, 1))])
        if chance.random() < 0.4:  # amended: more of it, at the same price
            more = order(number, str(ordered + 10), price="4.00", version=2, lines=len(first.lines))
            piles.append([replaced(more, issued_on=date(2026, 8, 1))])
        for line in first.lines:
            piles += _of_line(chance, number, line.line, ordered, days)
    return piles


def _of_line(chance: random.Random, number: str, line: int, ordered: int, days: Any) -> list[list[Any]]:
    piles: list[list[Any]] = []
    name = f"{number[-2:]}-{line}"
    ahead: list[Any] = []
    left, part = ordered, 0
    while left > 0 and chance.random() < 0.85:
        part += 1
        quantity = chance.randint(1, left)
        left -= quantity
        gr = f"GR-{name}-{part}"
        piles.append([receipt(gr, str(quantity), of=number, line=line, day=date(2026, 8, 10))])
        undone = chance.random()
        if undone < 0.2:
            back = str(chance.randint(1, quantity))
            kind = chance.choice(("return", "reversal"))
            day = date(2026, 8, 12)
            ahead.append(receipt(f"RT-{name}-{part}", back, of=number, line=line, kind=kind, takes_from=gr, day=day))
        elif undone < 0.35:
            ahead.append(receipt(gr, str(quantity + 1), of=number, line=line, version=2, day=date(2026, 8, 10)))
    bills: list[Invoice] = []
    for place in range(chance.randint(1, 4)):
        price = chance.choice(("4.00", "4.00", "4.00", "4.90"))
        quantity = str(chance.randint(1, ordered))
        day = FIRST + timedelta(days=next(days))
        bills.append(invoice(f"RE-{name}-{place}", quantity, price, of=number, line=line, issued_on=day))
    for bill in tuple(bills):
        if chance.random() < 0.5:
            only = bill.lines[0]
            assert only.quantity is not None
            whole = int(only.quantity)
            credited = str(whole if chance.random() < 0.5 else chance.randint(1, whole))
            further: dict[str, Any] = {"kind": "credit_memo", "original": bill.number, "issued_on": bill.issued_on}
            memo = invoice(f"GS-{bill.number}", credited, str(only.price), of=number, line=line, **further)
            if chance.random() < 0.4:
                bare = replaced(memo.lines[0], order_number="", order_line=None, item=f"MAT-{line // 10:03d}")
                memo = replaced(memo, order_numbers=(), lines=(bare,))
            piles.append([memo])
            if chance.random() < 0.7:  # what was credited is billed again
                day = FIRST + timedelta(days=next(days))
                bills.append(invoice(f"RE-{bill.number}-A", credited, of=number, line=line, issued_on=day))
    return [*piles, [*ahead, *bills]]


def in_order(piles: Sequence[Sequence[Any]]) -> list[Any]:
    return [fact for pile in piles for fact in pile]


def mixed(piles: Sequence[Sequence[Any]], seed: str) -> list[Any]:
    """One fact of a pile after the other, piles drawn at random; about a third is told twice."""
    chance = random.Random(f"mixed/{seed}")
    left = [list(pile) for pile in piles]
    told = []
    while left:
        pile = chance.choice(left)
        told.append(pile.pop(0))
        if not pile:
            left.remove(pile)
    for twin in chance.sample(told, len(told) // 3):
        told.insert(chance.randrange(told.index(twin) + 1, len(told) + 1), twin)
    return told


async def end_of(house: House, facts: Sequence[Any], seed: str) -> dict[str, Any]:
    chance = random.Random(f"pauses/{seed}")
    for fact in facts:
        await house.publish(arrival(fact, "api" if isinstance(fact, Invoice) else "coupa"))
        if chance.random() < 0.5:
            await house.pump()
    await house.pump()
    return {
        "invoices": await house.rows(
            """SELECT number, state, ARRAY(SELECT unnest(reason_codes) ORDER BY 1) FROM invoices.invoice
            ORDER BY number"""
        ),
        "open exceptions": await house.rows(
            """SELECT i.number, e.line, e.reason_code FROM invoices.exception e JOIN invoices.invoice i
            USING (invoice_id) WHERE e.state = 'open' ORDER BY 1, 2, 3"""
        ),
        "released": await house.rows(
            """SELECT order_number, order_line, sum(quantity) FROM invoices.allocation GROUP BY 1, 2
            HAVING sum(quantity) <> 0 ORDER BY 1, 2"""
        ),
        "billed": await billed(house),
        "postings": await house.rows(
            """SELECT i.number, count(*) FROM deliveries.delivery d JOIN invoices.invoice i
            ON i.invoice_id = d.object_id WHERE d.operation = 'post_invoice' GROUP BY 1 ORDER BY 1"""
        ),
    }


async def billed(house: House) -> dict[str, Any]:
    """By order, what the orders component says is billed of each line."""
    found: dict[str, list[Any]] = {}
    for number, currency, lines in await house.rows(
        """SELECT order_number, currency, lines FROM orders.billed_of JOIN orders.billing USING (invoice_id)
        WHERE counts ORDER BY order_number, invoice_id"""
    ):
        found.setdefault(number, []).append((currency, codec.decode_own(lines, tuple[Billed, ...])))
    return {number: sums(documents) for number, documents in found.items()}


async def compared(clones: Clones, home: Path, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    ends = []
    piles = story(seed)
    for told in (in_order(piles), mixed(piles, str(seed))):
        house = House(clones, clones.fresh(MORNING), home)
        await house.db.open()
        ends.append(await end_of(house, told, f"{seed}/{len(ends)}"))
        over = await house.rows(
            """SELECT r.order_number, r.order_line, r.quantity, sum(a.quantity) FROM invoices.releasable r
            JOIN invoices.allocation a USING (company_code, order_number, order_line)
            WHERE r.receipt_number = '' GROUP BY 1, 2, 3 HAVING sum(a.quantity) > r.quantity"""
        )
        assert over == [], f"seed {seed}: more is released than came"
        await house.close()
    return ends[0], ends[1]


@pytest.mark.parametrize("seed", range(8))
async def test_a_story_ends_the_same_however_it_arrives(clones: Clones, tmp_path: Path, seed: int) -> None:
    straight, otherwise = await compared(clones, tmp_path, seed)
    for part, rows in straight.items():
        assert otherwise[part] == rows, f"{part} differ"
