"""What the database itself refuses, whatever the code does, and what a crash half-way leaves: nothing."""

from __future__ import annotations

from itertools import product
from typing import Any

import psycopg
import pytest

from support.house import House, arrival
from support.papers import invoice, order, receipt, supplier
from tripartite.components.invoices import deciding, handlers, posting, store
from tripartite.components.invoices.app import component
from tripartite.core.events import CANONICAL
from tripartite.core.invoice_life import STATES, TRANSITIONS
from tripartite.runtime import bus

TABLES = (
    *("invoices.invoice", "invoices.line", "invoices.of_order", "invoices.decision", "invoices.allocation"),
    *("invoices.exception", "deliveries.delivery"),
)


async def counts(house: House) -> dict[str, int]:
    found = {table: await house.value(f"SELECT count(*) FROM {table}") for table in TABLES}
    found["leaves"] = await house.value("SELECT count(*) FROM audit.leaf")
    found["messages"] = await house.value("SELECT count(*) FROM bus.message")
    return found


async def refused(house: House, statement: str, *parameters: Any) -> str:
    with pytest.raises(psycopg.Error) as error:
        async with house.db.connection() as connection:
            await connection.execute(statement.encode(), parameters)
    return str(error.value)


async def test_what_the_supplier_sent_is_never_edited(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    for column, value in (("content", b"{}"), ("sequence", 99), ("invoice_id", "inv_other")):
        words = await refused(house, f"UPDATE invoices.invoice SET {column} = %s", value)
        assert "never edited" in words


async def test_the_invoice_states_move_as_core_declares_and_in_no_other_way(house: House) -> None:
    in_database = set(await house.rows("SELECT from_state, to_state FROM invoices.transition"))
    assert in_database == set(TRANSITIONS)
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    with psycopg.connect(house.clones.administrator_url(house.name), autocommit=True) as administrator:
        for before, after in product(STATES, STATES):
            # Put there past the machine, then asked to move by the role that decides.
            administrator.execute("SET session_replication_role = replica")
            administrator.execute("UPDATE invoices.invoice SET state = %s, document = 'D', was_post = true", (before,))
            moved = True
            try:
                async with house.db.connection() as connection:
                    await connection.execute("UPDATE invoices.invoice SET state = %s", (after,))
            except psycopg.errors.RaiseException:
                moved = False
            assert moved == (before == after or (before, after) in TRANSITIONS), (before, after)


async def test_a_final_invoice_never_moves_again(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    await house.settle()
    for state in set(STATES) - {"posted"}:
        assert "does not go from posted" in await refused(house, "UPDATE invoices.invoice SET state = %s", state)


async def test_two_live_invoices_never_have_the_same_fingerprint(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    words = await refused(
        house,
        f"""INSERT INTO invoices.invoice ({", ".join(store.COLUMNS)})
        SELECT {", ".join("'inv_twin'" if c == "invoice_id" else c for c in store.COLUMNS)} FROM invoices.invoice""",
    )
    assert "invoice_live" in words


async def test_an_invoice_without_a_date_is_a_fingerprint_too(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    async with house.db.connection() as connection:
        await connection.execute("UPDATE invoices.invoice SET issued_on = NULL")
    assert "invoice_live" in await refused(
        house,
        f"""INSERT INTO invoices.invoice ({", ".join(store.COLUMNS)})
        SELECT {", ".join("'inv_twin'" if c == "invoice_id" else c for c in store.COLUMNS)} FROM invoices.invoice""",
    )


async def test_more_is_never_released_than_came(house: House) -> None:
    await house.bring(supplier(), order(quantity="20"), receipt("GR-1", "10"))
    await house.bring_invoice(invoice())
    row = ("inv_x", 1, "DE01", "4500000001", 10, "GR-1", 1, "0.000001")
    words = await refused(house, f"INSERT INTO invoices.allocation VALUES ({', '.join(['%s'] * 8)})", *row)
    assert "released 10.000001 of 10" in words


async def test_what_is_to_be_posted_balances_or_the_difference_stands_on_it(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    assert "check" in await refused(house, "UPDATE invoices.invoice SET gross = gross + 0.01")


async def test_a_held_invoice_always_says_why(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    assert "check" in await refused(house, "UPDATE invoices.invoice SET reason_codes = '{}', waits_for = '{}'")


async def test_nothing_is_posted_without_a_number_of_the_erp(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    assert "check" in await refused(house, "UPDATE invoices.invoice SET state = 'posted'")


async def test_one_problem_is_one_open_exception(house: House) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", "6"))
    await house.bring_invoice(invoice())
    assert "exception_open" in await refused(
        house,
        """INSERT INTO invoices.exception SELECT 'exc_twin', company_code, invoice_id, line, reason_code, state,
        version, opened_at, due_at, record FROM invoices.exception WHERE state = 'open' LIMIT 1""",
    )


class Crash(BaseException):
    """The process is gone."""


STEPS = [
    *((store, name) for name in ("insert_invoices", "update_invoices", "add_allocations", "add_decisions")),
    (store, "keep_exceptions"),
    (deciding, "owe"),
    (deciding, "write_leaves"),
    (handlers, "publish"),
    (bus, "_advance"),
]


@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
@pytest.mark.parametrize("received", ["10", "6"], ids=["to be posted", "to be held"])
async def test_a_crash_after_any_step_of_a_decision_leaves_nothing_of_it_and_the_next_worker_takes_it_whole(
    house: House, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, received: str
) -> None:
    await house.bring(supplier(), order(), receipt("GR-1", received))
    await house.publish(arrival(invoice(), "api"))
    before = await counts(house)
    real = getattr(module, name)

    async def and_die(*arguments: Any, **further: Any) -> Any:
        await real(*arguments, **further)
        raise Crash

    consumer = next(each for each in component.consumers(house.ports) if each.topic == CANONICAL["invoice"])
    with monkeypatch.context() as patched:
        patched.setattr(module, name, and_die)
        with pytest.raises(Crash):
            await bus.consume_once(house.db, consumer)
    assert await counts(house) == before
    await house.pump()
    assert await house.state() == ("to_post" if received == "10" else "held")
    after = await counts(house)
    assert after["invoices.decision"] == 1
    assert after["deliveries.delivery"] == (received == "10")
    assert after["leaves"] == before["leaves"] + 1


async def test_a_batch_that_fails_for_one_invoice_decides_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.may_set_aside = True
    await house.bring(supplier(), order(quantity="30"), receipt("GR-1", "30"))
    real = posting.build_posting

    def poisoned(invoice_id: str, document: Any, *arguments: Any, **further: Any) -> Any:
        if document.number == "RE-2":
            raise ZeroDivisionError("this one breaks the writer")
        return real(invoice_id, document, *arguments, **further)

    monkeypatch.setattr(deciding, "build_posting", poisoned)
    await house.publish(*(arrival(invoice(f"RE-{n}", str(7 + n)), "api") for n in (1, 2, 3)))
    await house.pump()
    assert await house.rows("SELECT number, state FROM invoices.invoice ORDER BY number") == [
        ("RE-1", "to_post"),
        ("RE-3", "to_post"),
    ]
    aside = await house.set_aside()
    assert [(row[0], row[1], row[3]) for row in aside] == [
        ("invoices", "invoice.canonical", "integration.schema_violated")
    ]
    assert "ZeroDivisionError" in aside[0][4]


async def test_decision_delivery_leaf_and_event_are_one_commit(house: House) -> None:
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    written = await house.rows(
        """SELECT 'invoice', xmin::text FROM invoices.invoice UNION SELECT 'decision', xmin::text FROM invoices.decision
        UNION SELECT 'delivery', xmin::text FROM deliveries.delivery
        UNION SELECT 'allocation', xmin::text FROM invoices.allocation
        UNION SELECT 'leaf', xmin::text FROM audit.leaf WHERE kind = 'decision'
        UNION SELECT 'event', xmin::text FROM bus.message WHERE topic = 'invoice.events'
        UNION SELECT 'cursor', xmin::text FROM bus.cursor WHERE (consumer, topic) = ('invoices', 'invoice.canonical')"""
    )
    assert len(written) == 7
    assert len({transaction for _, transaction in written}) == 1, written
