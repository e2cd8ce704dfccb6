"""Every decision names the span that decided it, whatever woke it, and the console shows that span."""

from __future__ import annotations

import json

import msgspec

from support.api import Api
from support.house import House, arrival
from support.papers import invoice, order, receipt, supplier
from tripartite.components.console.formats import Formats, reader_locale, reader_zone
from tripartite.components.console.views.waterfall import waterfall
from tripartite.core.events import INVOICE_EVENTS
from tripartite.runtime.bus import Outgoing

PULL = "4bf92f3577b34da6a3ce929d0e0e4736"


def traced(outgoing: Outgoing, trace_id: str) -> Outgoing:
    return Outgoing(outgoing.topic, msgspec.structs.replace(outgoing.message, trace_id=trace_id))


async def traces(house: House) -> list[tuple[str, int, str]]:
    """(number, which decision, its trace)."""
    return await house.rows(
        """SELECT i.number, d.number, d.trace_id FROM invoices.decision d JOIN invoices.invoice i USING (invoice_id)
        ORDER BY 1, 2"""
    )


async def test_a_decision_woken_by_a_message_without_a_trace_has_one_of_its_own(house: House) -> None:
    await house.bring(supplier(), order())
    await house.bring_invoice(invoice())
    await house.bring(receipt())
    (_, _, first), (_, _, second) = await traces(house)
    assert len(first) == len(second) == 32
    assert first != second, "each batch is its own"
    await house.ports.telemetry.flush(house.db)
    kept = await house.rows(
        """SELECT trace_id, name, component, attributes FROM runtime.span WHERE name = 'decide invoices'
        ORDER BY started_at"""
    )
    assert [row[:3] for row in kept] == [(each, "decide invoices", "invoices") for each in (first, second)]
    assert (kept[0][3]["company_code"], kept[0][3]["documents"]) == ("DE01", 1)
    told = await house.rows(
        "SELECT trace_id FROM bus.message WHERE topic = %s ORDER BY partition, position", INVOICE_EVENTS
    )
    assert [row[0] for row in told] == [first, second], "what is told of a decision names its trace"


async def test_what_is_decided_together_is_one_trace_and_names_what_woke_it(house: House) -> None:
    await house.bring(supplier(), order(quantity="30"), receipt("GR-1", "30"))
    await house.publish(*(traced(arrival(invoice(f"RE-{n}", "10"), "api"), PULL if n == 2 else "") for n in (1, 2, 3)))
    await house.pump()
    found = await traces(house)
    assert len(found) == 3
    assert len({trace for _, _, trace in found}) == 1
    assert found[0][2] not in ("", PULL)
    await house.ports.telemetry.flush(house.db)
    attributes = await house.value("SELECT attributes FROM runtime.span WHERE trace_id = %s", found[0][2])
    assert attributes["woken_by"] == PULL


async def test_the_trace_that_an_invoice_names_is_there_and_leads_back(api: Api) -> None:
    house = api.house
    await house.bring(supplier(), order(), receipt())
    await house.publish(traced(arrival(invoice(), "api"), PULL))
    await house.settle()
    await house.ports.telemetry.flush(house.db)
    caller = await api.caller()
    invoice_id = await house.value("SELECT invoice_id FROM invoices.invoice")
    seen = (await caller.get(f"/v1/invoices/{invoice_id}")).json()
    trace_id = seen["decisions"][-1]["trace_id"]
    spans = (await caller.get(f"/v1/traces/{trace_id}")).json()["items"]
    assert [span["name"] for span in spans] == ["decide invoices"]
    formats = Formats(locale=reader_locale("", ""), zone=reader_zone("", ["UTC"]), now=house.ports.clock.now())
    drawn = waterfall(trace_id, spans, formats)
    assert drawn is not None
    assert drawn.woken_by == (PULL,)
    # The delivery is another moment with a trace of its own: decision and delivery are told apart.
    moments = (await caller.get(f"/v1/lineage/{seen['correlation_id']}")).json()["events"]
    by_type = {event["type"]: event["trace_id"] for event in moments if event["trace_id"]}
    assert by_type["tripartite.invoice.decided.v1"] == trace_id
    assert by_type["tripartite.delivery.settled.v1"] not in ("", trace_id)
    assert json.dumps(seen).count(trace_id) == 1
