"""A back-test says of every invoice of history what deciding all of it twice would say, and looks at few of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from core.policy.test_slipping import changed
from support.house import House
from support.papers import invoice, order, receipt, supplier
from tripartite.components.invoices import backtesting, history, store
from tripartite.components.invoices.backtesting import NotReady
from tripartite.core.money import Amount
from tripartite.core.policy import Case, Pack, decide
from tripartite.core.policy.backtest import Backtest, Outcome, first_day, outcome_of

ON = date(2026, 11, 20)
BASE = changed("pack.toml")
EUR = 'currency = "EUR"\nfrom = 2020-01-01\nuntil = "open"\n'
HARSHER = changed("tolerances.toml", (f'{EUR}upper_percent = "2"', f'{EUR}upper_percent = "1"'))
OF_COMPANY = "SELECT invoice_id FROM invoices.invoice WHERE company_code = %s"
DOCUMENT = 'document_upper_absolute = "250.00"\nearly_value_days = '
QUANTITY = '\nupper_absolute = "ignore"\nupper_value'


async def prepared(house: House, pack: Pack = BASE, **further: date) -> int:
    return await history.prepare(house.db, house.ports.estate, pack, lambda _: ON, **further)


async def tried(house: House, old: Pack, new: Pack, on: date = ON, since: date | None = None) -> Backtest:
    as_of = {company.code: ON for company in house.ports.estate.companies}
    return await backtesting.backtest(house.db, house.ports.estate, old, new, on=on, as_of=as_of, since=since)


async def twice(house: House, pack: Pack, on: date = ON) -> Mapping[str, Outcome]:
    """Everything matched and decided in one go under one policy: what the back-test must agree with."""
    outcomes = {}
    for company in house.ports.estate.companies:
        ids = [row[0] for row in await house.rows(OF_COMPANY, company.code)]
        async with house.db.connection() as connection:
            found = await history.neighbours(connection, house.ports.estate, company.code, ids)
            under = history.policy_of(pack, company.code, on)
            results = await history.matched(connection, house.ports.estate, found, under, ON)
        for name, result in results.items():
            row = found.around.rows[name]
            case = Case(
                company=company.code,
                supplier=row.supplier_id,
                currency=row.currency,
                gross=Amount(abs(row.gross or Decimal(0))),
                on=on,
                content_hash=row.digest or name,
                document="credit_memo" if row.kind == "credit_memo" else "invoice",
                has_order=bool(store.order_numbers(found.around.documents[name])),
            )
            at = datetime.combine(on, time(), UTC)
            outcomes[name] = outcome_of(decide(result, pack, case, at, estate=house.ports.estate), result.at_risk)
    return outcomes


async def many(house: House, seed: int, count: int = 40) -> None:
    """Orders of 100 at 10.00 with bills of every kind on them, some two to an order, some alike, some without one."""
    dice = random.Random(seed)
    await house.bring(supplier(), supplier("10300002"))
    papers: list[object] = []
    for place in range(count):
        number = f"45{place:08d}"
        by = dice.choice(["10300001", "10300002"])
        papers.append(order(number, "100", "10.00", of=by))
        papers.append(receipt(f"GR-{place}", dice.choice(["100", "100", "100", "99", "50"]), of=number))
    await house.bring(*papers)
    for place in range(count):
        number = f"45{place:08d}"
        by = dice.choice(["10300001", "10300002"])
        price = dice.choice(["10.00", "10.00", "10.05", "10.15", "10.19", "10.30", "9.50", "8.00"])
        tax = dice.choice([None, None, None, "190.01", "195.00"])
        quantity = dice.choice(["100", "100", "60", "101"])
        of = dice.choice([number, number, number, number, ""])
        await house.bring_invoice(invoice(f"R-{place}", quantity, price, of=of, by=by, tax=tax))
        if dice.random() < 0.2:
            await house.bring_invoice(invoice(f"R-{place}b", "10", price, of=of, by=by))
        if dice.random() < 0.1:
            await house.bring_invoice(invoice(f"R-{place} A", quantity, price, of=of, by=by, tax=tax))


CHANGES = {
    "a percentage": HARSHER,
    "the line limit": changed(
        "tolerances.toml",
        ('line_upper_absolute = "150.00"', 'line_upper_absolute = "15.00"'),
        ('cumulative_upper_absolute = "300.00"', 'cumulative_upper_absolute = "15.00"'),
    ),
    "no difference in price": changed(
        "tolerances.toml",
        ('lower_percent = "10"', 'lower_percent = "exact"'),
        ('upper_percent = "2"', 'upper_percent = "exact"'),
    ),
    "a quantity": changed("tolerances.toml", (f'upper_percent = "exact"{QUANTITY}', f'upper_percent = "2"{QUANTITY}')),
    "a review amount": changed("tolerances.toml", ('review_amount = "50000.00"', 'review_amount = "700.00"')),
    "a share of tax": changed("tolerances.toml", ('ratio_percent = "30"', 'ratio_percent = "19"')),
    "no order is needed": changed("matching.toml", ('order_required = "yes"', 'order_required = "no"')),
    "a partial release": changed("matching.toml", ('partial_release = "proven"', 'partial_release = "no"')),
    "one bound is enough": changed("matching.toml", ('combination = "strict"', 'combination = "lenient"')),
    "the scope of duplicates": changed("matching.toml", ('scope = ["company"]', 'scope = ["company", "year"]')),
    "a lot": changed("matching.toml", ('beacon = ""', 'beacon = "drand 4711"'), ('one_in = "ignore"', 'one_in = "3"')),
    "an approval by size": changed("decisions.toml", ('above = "10000.00"', 'above = "1000.00"')),
    "early value": changed("tolerances.toml", (f'{DOCUMENT}"ignore"', f'{DOCUMENT}"1.00"')),
}


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_back_test_says_what_deciding_everything_twice_says(house: House, seed: int) -> None:
    await many(house, seed)
    await prepared(house)
    before = await twice(house, BASE)
    moved = set()
    for name, pack in CHANGES.items():
        after = await twice(house, pack)
        for old, new, outcomes in ((BASE, pack, (before, after)), (pack, BASE, (after, before))):
            found = await tried(house, old, new)
            said = {one.invoice.invoice_id: (one.before, one.after) for one in found.shifts}
            wanted = {
                each: (outcomes[0][each], outcomes[1][each])
                for each in before
                if _compared(outcomes[0][each]) != _compared(outcomes[1][each])
            }
            assert said.keys() == wanted.keys(), name
            assert {key: _compared(value[1]) for key, value in said.items()} == {
                key: _compared(value[1]) for key, value in wanted.items()
            }, name
            if said:
                moved.add(name)
    assert moved >= {"a percentage", "no difference in price", "a quantity", "a review amount", "a lot"}


def _compared(outcome: Outcome) -> tuple[object, ...]:
    return outcome.kind, outcome.blocked, outcome.codes, outcome.asks


async def test_few_are_looked_at_again_and_the_sums_name_supplier_reason_and_invoice(house: House) -> None:
    await many(house, 3)
    await prepared(house)
    found = await tried(house, BASE, HARSHER)
    assert 0 < found.looked_at < found.invoices / 2
    held = [one for one in found.shifts if one.effect == "newly_held"]
    assert held
    assert all("match.price_over_limit" in one.reasons for one in held)
    assert sum(one.invoices for one in found.by_supplier) == len(found.shifts)
    gross = sum((one.invoice.gross for one in found.shifts), Decimal(0))
    assert sum((one.gross for one in found.sums), Decimal(0)) == gross
    assert found.touchless_lost == len(held)
    back = await tried(house, HARSHER, BASE)
    assert back.touchless_gained == len(held)
    assert sum((one.at_risk for one in back.sums), Decimal(0)) > 0
    assert (await tried(house, BASE, HARSHER)).digest == found.digest


async def test_what_came_since_is_made_ready_before_anything_is_said(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    with pytest.raises(NotReady):
        await tried(house, BASE, HARSHER)
    assert await prepared(house) == 1
    assert await prepared(house) == 0
    assert (await tried(house, BASE, HARSHER)).shifts == ()
    await house.bring(receipt("GR-2", "4"))
    with pytest.raises(NotReady):
        await tried(house, BASE, HARSHER)
    assert await prepared(house) == 1


async def test_only_what_arrived_since_a_day_is_listed(house: House) -> None:
    await house.bring(supplier(), order(quantity="20"), receipt("GR-1", "20"))
    await house.bring_invoice(invoice("RE-1", "10", "4.06"))
    await prepared(house)
    assert len((await tried(house, BASE, HARSHER)).shifts) == 1
    later = await tried(house, BASE, HARSHER, since=date(2026, 12, 1))
    assert (later.invoices, later.shifts) == (0, ())


async def test_a_change_that_takes_effect_next_year_is_tried_as_of_that_day(house: House) -> None:
    rows = 'currency = "EUR"\nfrom = 2020-01-01\nuntil = "open"\nupper_percent = "2"'
    assert first_day(BASE, HARSHER, ON) == ON
    ended = changed("tolerances.toml", (rows, rows.replace('"open"', "2027-01-01")))
    assert first_day(BASE, ended, ON) == date(2027, 1, 1)
    assert first_day(BASE, BASE, ON) == ON
