"""Messages that a component could not take in: shown with what they hold up, and taken in once the cause is gone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from support.house import House, arrival
from support.papers import invoice, order, receipt, supplier
from tripartite.cli.letters import NOTHING, Query, listed, replayed
from tripartite.components.gateway.handlers import Gateway
from tripartite.components.gateway.intake import Document
from tripartite.components.invoices import deciding, posting
from tripartite.connectors.documents.worker import COMMAND
from tripartite.runtime.parsing import ParsingPool
from tripartite.runtime.settings import Settings


def settings(house: House) -> Settings:
    return Settings(home=house.ports.settings.home, database_url=house.urls.worker, database_owner_url=house.urls.owner)


async def aside(house: House, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    await asyncio.to_thread(listed, settings(house), json=True)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["messages"]
    return found


async def again(house: House, *names: str, query: Query = NOTHING) -> int:
    everything = not names and not query
    return await asyncio.to_thread(replayed, settings(house), names, everything=everything, query=query)


class Broken:
    """The writer of postings breaks on these invoices until the cause is gone."""

    def __init__(self, patch: pytest.MonkeyPatch, *numbers: str) -> None:
        self.numbers = set(numbers)
        real = posting.build_posting

        def build(invoice_id: str, document: Any, *arguments: Any, **further: Any) -> Any:
            if document.number in self.numbers:
                raise ZeroDivisionError("this one breaks the writer")
            return real(invoice_id, document, *arguments, **further)

        patch.setattr(deciding, "build_posting", build)

    def mend(self, *numbers: str) -> None:
        self.numbers -= set(numbers)


@pytest.fixture
async def broken(house: House, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """RE-1 and RE-3 were set aside on their way to a decision; RE-2 is to be posted."""
    house.may_set_aside = True
    made = Broken(monkeypatch, "RE-1", "RE-3")
    await house.bring(supplier(), order(quantity="30"), receipt("GR-1", "30"))
    await house.publish(*(arrival(invoice(f"RE-{n}", "10"), "api") for n in (1, 2, 3)))
    await house.pump()
    return made


async def states(house: House) -> dict[str, str]:
    return dict(await house.rows("SELECT number, state FROM invoices.invoice ORDER BY number"))


async def test_a_message_is_shown_with_its_reason_its_company_and_the_money_it_holds_up(
    house: House, broken: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = await aside(house, capsys)
    assert [(row["consumer"], row["type"], row["company_code"]) for row in rows] == [
        ("invoices", "tripartite.invoice.received.v1", "DE01")
    ] * 2
    assert {(row["gross"], row["currency"], row["reason_code"]) for row in rows} == {
        ("47.60", "EUR", "integration.schema_violated")
    }
    assert all("ZeroDivisionError" in row["detail"] and row["since"] and row["correlation_id"] for row in rows)
    assert await asyncio.to_thread(listed, settings(house), json=False) == 1
    shown = capsys.readouterr().out
    assert "47.60 EUR" in shown
    assert rows[0]["message_id"] in shown


async def test_one_message_is_taken_in_after_its_cause_is_gone_and_only_by_who_could_not(
    house: House, broken: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = await aside(house, capsys)
    one = next(row["message_id"] for row in rows if row["object_key"] == rows[0]["object_key"])
    messages = await house.value("SELECT count(*) FROM bus.message WHERE topic = 'invoice.canonical'")
    cursors = await house.rows("SELECT * FROM bus.cursor WHERE topic = 'invoice.canonical' ORDER BY 1, 2, 3")
    broken.mend("RE-1", "RE-3")
    assert await again(house, one) == 0
    assert [row["asked_by"].startswith("cli:") for row in await aside(house, capsys) if row["message_id"] == one] == [
        True
    ]
    assert await house.retake() == 1
    assert len(await states(house)) == 2
    assert set((await states(house)).values()) == {"to_post"}
    assert [row["message_id"] for row in await aside(house, capsys)] == [
        row["message_id"] for row in rows if row["message_id"] != one
    ]
    # Nothing was published again, and no cursor moved.
    assert await house.value("SELECT count(*) FROM bus.message WHERE topic = 'invoice.canonical'") == messages
    assert await house.rows("SELECT * FROM bus.cursor WHERE topic = 'invoice.canonical' ORDER BY 1, 2, 3") == cursors
    assert await house.retake() == 0, "once"
    assert await again(house, one) == 2, "it is set aside no longer"


async def test_the_act_leaves_its_audit_leaf_with_who_asked_and_why_it_had_been_set_aside(
    house: House, broken: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    (one, _) = [row["message_id"] for row in await aside(house, capsys)]
    await again(house, one)
    assert await again(house, one) == 1, "asked for already"
    found = await house.rows(
        "SELECT object_id, company_code, convert_from(record, 'utf8') FROM audit.leaf WHERE kind = 'message.replayed'"
    )
    assert [row[:2] for row in found] == [(one, "DE01")]
    record = json.loads(found[0][2])
    assert record["by"].startswith("cli:")
    assert (record["consumer"], record["topic"]) == ("invoices", "invoice.canonical")
    assert record["reason"] == "integration.schema_violated"


async def test_where_the_cause_is_not_gone_it_is_set_aside_again_and_counted(
    house: House, broken: Broken, capsys: pytest.CaptureFixture[str]
) -> None:
    broken.mend("RE-1")
    assert await again(house) == 0
    assert await house.retake() == 1
    (left,) = await aside(house, capsys)
    assert (left["tries"], left["asked_by"]) == (1, "")
    assert await house.retake() == 0, "nobody has asked since"
    assert await states(house) == {"RE-1": "to_post", "RE-2": "to_post"}
    broken.mend("RE-3")
    assert await again(house) == 0
    assert await house.retake() == 1
    assert await states(house) == {"RE-1": "to_post", "RE-2": "to_post", "RE-3": "to_post"}
    await house.settle()
    assert set((await states(house)).values()) == {"posted"}


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        (Query(reason="integration.schema_violated"), 2),
        (Query(consumer="invoices"), 2),
        (Query(consumer="invoices", topic="invoice.canonical", reason="integration.schema_violated"), 2),
        (Query(topic="order.canonical"), 0),
        (Query(reason="posting.rejected"), 0),
        (Query(connection="sap"), 0),
    ],
)
async def test_a_query_speaks_of_what_it_names_and_of_nothing_else(
    house: House, broken: Broken, query: Query, taken: int
) -> None:
    broken.mend("RE-1", "RE-3")
    assert await again(house, query=query) == 0
    assert await house.retake() == taken


async def test_a_message_that_is_being_read_waits_for_the_next_round(house: House, broken: Broken) -> None:
    broken.mend("RE-1", "RE-3")
    await again(house)
    async with house.db.connection() as connection:
        await connection.execute("SELECT 1 FROM bus.cursor WHERE consumer = 'invoices' FOR UPDATE")
        assert await house.retake() == 0
    assert await house.retake() == 2


async def test_a_document_that_was_set_aside_before_it_could_be_prepared_is_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gateway reads outside the deciding transaction: that comes again too."""
    house.may_set_aside = True
    real = Gateway.read

    async def fails(*_: Any) -> Any:
        raise RuntimeError("no parser")

    monkeypatch.setattr(Gateway, "read", fails)
    await house.door.accept(
        [Document(connection="einvoice", content=b"<no/>", media_type="application/xml", caller="t")]
    )
    await house.pump()
    (row,) = await aside(house, capsys)
    assert (row["consumer"], row["topic"], row["gross"]) == ("gateway", "received", "")
    monkeypatch.setattr(Gateway, "read", real)
    assert await again(house, row["message_id"]) == 0
    house.ports.parser = pool = ParsingPool(COMMAND, workers=1)
    try:
        assert await house.retake() == 1
    finally:
        await pool.close()
    assert await house.value("SELECT disposition FROM gateway.intake") in ("rejected", "quarantined")


async def test_a_query_and_names_or_everything_at_once_are_a_mistake_of_the_caller(house: House) -> None:
    query = Query(reason="posting.rejected")
    assert await again(house, "x", query=query) == 2
    assert await asyncio.to_thread(replayed, settings(house), (), everything=True, query=query) == 2
    assert not msgspec.structs.replace(query, reason="")
