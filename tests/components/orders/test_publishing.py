"""Approved orders are published to the ERP that the estate routes, once for each change; the invoice waits for that."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from support.estates import development_estate, with_mode
from support.house import House, arrival
from support.papers import ORDER, SUPPLIER, invoice, order, receipt, supplier
from support.times import MORNING
from tripartite.components.orders.publishing import enriched, target_of
from tripartite.core import codec
from tripartite.core.envelope import Message
from tripartite.core.estate import Estate
from tripartite.core.events import ORDER_COMMANDS, ORDER_EVENTS, OrderPublished, PublishOrder
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.objects import Order
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection
from tripartite.runtime.replay import replay


def newer(version: int, **changes: Any) -> Order:
    return msgspec.structs.replace(order(version=version, price=f"4.0{version}"), **changes)


async def sent(house: House) -> list[Order]:
    """The orders that the ERP was sent, in their order."""
    return [
        codec.decode(item.payload, Order)
        for call in house.sap.calls
        for item in call
        if item.operation == "publish_order"
    ]


async def told(house: House) -> list[OrderPublished]:
    rows = await house.rows(
        "SELECT payload FROM bus.message WHERE topic = %s AND type = 'tripartite.order.published.v1' ORDER BY position",
        ORDER_EVENTS,
    )
    return [codec.decode(row[0], OrderPublished) for row in rows]


async def standing(house: House, number: str = ORDER) -> dict[str, Any]:
    names = ("state", "sequence", "version", "acknowledged_version", "connection", "remote_ref")
    rows = await house.rows(f"SELECT {', '.join(names)} FROM orders.publication WHERE number = %s", number)
    return dict(zip(names, rows[0], strict=True))


async def open_codes(house: House) -> list[str]:
    rows = await house.rows("SELECT record FROM orders.exception WHERE state = 'open'")
    return sorted(codec.decode(row[0], ExceptionRecord).reason_code for row in rows)


async def publish_again(house: House, number: str = ORDER) -> None:
    await house.publish(
        Outgoing(
            ORDER_COMMANDS,
            Message(
                message_id=house.ports.ids.new("msg"),
                type="tripartite.order.publish.v1",
                company_code="DE01",
                key=number,
                correlation_id="c_1",
                occurred_at=house.ports.clock.now(),
                payload=codec.encode(PublishOrder("DE01", number)),
            ),
        )
    )


async def test_an_approved_order_is_owed_in_the_transaction_that_records_it_and_told_when_the_erp_has_it(
    publishing: House,
) -> None:
    house = publishing
    await house.bring(supplier(), order())
    assert await house.deliveries("publish_order") == ["intended"]
    assert await told(house) == []
    await house.settle()
    (payload,) = await sent(house)
    assert (payload.number, payload.supplier_number, payload.company_code) == (ORDER, SUPPLIER, "DE01")
    assert payload.lines[0].tax_codes == ("V1",)  # the ERP's own word for V19
    now = await standing(house)
    assert (now["state"], now["acknowledged_version"], now["connection"]) == ("acknowledged", 1, "sap")
    (event,) = await told(house)
    assert (event.order_number, event.version, event.document) == (ORDER, 1, now["remote_ref"])
    assert await house.value("SELECT count(*) FROM audit.leaf WHERE kind IN ('order.owed', 'order.published')") == 2


async def test_a_new_version_is_published_as_a_change_and_one_that_says_the_same_is_not(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), newer(1))
    await house.settle()
    await house.bring(newer(2))
    await house.settle()
    await house.bring(newer(3, lines=newer(2).lines))
    await house.settle()
    assert [value.version for value in await sent(house)] == [1, 2]
    assert [event.version for event in await told(house)] == [1, 2, 3]
    assert (await standing(house))["acknowledged_version"] == 3


async def test_a_draft_is_not_published_until_it_is_approved(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), msgspec.structs.replace(order(), status="draft"))
    await house.settle()
    assert await sent(house) == []
    await house.bring(order(version=2))
    await house.settle()
    assert [value.version for value in await sent(house)] == [2]


async def test_a_cancelled_order_is_cancelled_there_only_where_it_was_published(publishing: House) -> None:
    house = publishing
    gone = msgspec.structs.replace(order("4500000002"), status="cancelled")
    await house.bring(supplier(), order(), gone)
    await house.settle()
    await house.bring(msgspec.structs.replace(order(version=2), status="cancelled"))
    await house.settle()
    assert [(value.number, value.status) for value in await sent(house)] == [(ORDER, "open"), (ORDER, "cancelled")]


async def test_an_order_that_the_erp_told_us_of_is_not_published_back(publishing: House) -> None:
    house = publishing
    await house.bring(supplier())
    await house.bring(order(), source="sap")
    await house.settle()
    assert await sent(house) == []


async def test_a_supplier_who_comes_later_lets_the_order_go(publishing: House) -> None:
    house = publishing
    await house.bring(order())
    assert (await standing(house))["state"] == "waiting"
    assert await open_codes(house) == ["integration.parent_awaited"]
    await house.bring(supplier())
    await house.settle()
    assert len(await sent(house)) == 1
    assert await open_codes(house) == []


@pytest.mark.parametrize(
    ("further", "code"),
    [
        ({"status": "blocked"}, "supplier.blocked"),
        ({"status": "inactive"}, "supplier.inactive"),
        ({"names_elsewhere": {"acme": SUPPLIER}}, "integration.mapping_missing"),
    ],
)
async def test_an_order_of_a_supplier_the_erp_cannot_take_waits_with_its_reason(
    publishing: House, further: dict[str, Any], code: str
) -> None:
    house = publishing
    await house.bring(supplier(**further), order())
    await house.settle()
    assert await sent(house) == []
    assert await open_codes(house) == [code]
    await house.bring(supplier(version=2))
    await house.settle()
    assert len(await sent(house)) == 1
    assert await open_codes(house) == []


async def test_a_refusal_is_an_exception_and_a_corrected_version_clears_it(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), newer(1))
    house.sap.script.append("reject")
    await house.settle()
    assert (await standing(house))["state"] == "refused"
    assert await open_codes(house) == ["posting.rejected"]
    assert await told(house) == []
    await house.bring(newer(2))
    await house.settle()
    assert (await standing(house))["state"] == "acknowledged"
    assert await open_codes(house) == []


async def test_a_refused_order_is_published_again_on_command_and_otherwise_not(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), order())
    house.sap.script.append("reject")
    await house.settle()
    await house.bring(order())  # a repeat of what is known
    await house.settle()
    assert len(await sent(house)) == 1
    await publish_again(house)
    await house.settle()
    assert len(await sent(house)) == 2
    assert (await standing(house))["state"] == "acknowledged"
    await publish_again(house)
    await house.settle()
    assert len(await sent(house)) == 2, "what the ERP has is told again and not written again"
    assert len(await told(house)) == 2


@pytest.mark.parametrize("versions", [1, 2])
async def test_a_refusal_that_is_replayed_after_its_cause_is_gone_ends_acknowledged(
    publishing: House, versions: int
) -> None:
    house = publishing
    await house.bring(supplier(), newer(1))
    house.sap.script.append("reject")
    await house.settle()
    if versions == 2:
        await house.bring(newer(2))
        await house.settle()
    keys = [row[0] for row in await house.rows("SELECT key FROM deliveries.delivery WHERE state = 'rejected'")]

    async def again(connection: Connection) -> None:
        await replay(connection, keys, by="ops", now=house.ports.clock.now(), chance=house.ports.chance)

    await house.db.transaction(again)
    await house.settle()
    now = await standing(house)
    assert (now["state"], now["acknowledged_version"]) == ("acknowledged", versions)
    assert await open_codes(house) == []


async def test_an_answer_that_was_lost_is_asked_for_and_not_sent_again(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), order())
    house.sap.script.append("commit_then_hang")
    await house.settle()
    assert await house.deliveries("publish_order") == ["unknown"]
    house.clock.turn(60)
    await house.settle()
    assert await house.deliveries("publish_order") == ["settled"]
    assert len(await sent(house)) == 1
    assert len(await told(house)) == 1


async def test_an_invoice_waits_until_the_erp_has_its_order_and_goes_on_by_itself(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice())
    assert await house.state() == "held"
    assert await house.codes() == ["reference.order_not_synced"]
    await house.settle()
    assert await house.state() == "posted"
    assert await house.codes() == []
    assert len(await sent(house)) == 1, "the command found the order on its way"


async def test_an_invoice_of_a_refused_order_has_it_published_once_more(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), order(), receipt())
    house.sap.script.append("reject")
    await house.settle()
    house.sap.script.append("reject")
    await house.bring_invoice(invoice())
    await house.settle()
    assert len(await sent(house)) == 2, "once by itself, once for the invoice, and then a person looks"
    assert await house.codes() == ["reference.order_not_synced"]
    await publish_again(house)
    await house.settle()
    assert await house.state() == "posted"


async def test_whatever_the_order_of_arrival_every_version_ends_in_the_same_state(publishing: House) -> None:
    house = publishing
    for place, versions in enumerate(itertools.permutations((1, 2, 3))):
        number = f"450000010{place}"
        papers = [newer(version, number=number) for version in versions]
        await house.publish(*(arrival(value) for value in (*papers, *papers)))
        await house.settle()
    await house.bring(supplier())
    await house.settle()
    for place in range(6):
        now = await standing(house, f"450000010{place}")
        assert (now["state"], now["version"], now["acknowledged_version"]) == ("acknowledged", 3, 3)
    assert sorted((value.number, value.version) for value in await sent(house)) == [
        (f"450000010{place}", 3) for place in range(6)
    ]


async def test_reading_every_topic_again_writes_and_tells_nothing_new(publishing: House) -> None:
    house = publishing
    await house.bring(supplier(), newer(1))
    await house.settle()
    await house.bring(newer(2))
    await house.settle()
    before = (await standing(house), await told(house), len(await sent(house)))
    for topic in ("order.canonical", "supplier.events", "delivery.outcomes", "order.commands"):
        await house.rewind("orders", topic)
    await house.settle()
    assert (await standing(house), await told(house), len(await sent(house))) == before


# Where to, and in whose words


def target(value: Order, estate: Estate, **further: Any) -> str:
    return target_of(value, "coupa", estate, MORNING.date(), lambda kind: kind == "sap_s4hana", **further)


def test_only_a_connection_that_can_and_may_be_written_gets_orders() -> None:
    estate = development_estate()
    assert target(order(), estate) == "sap"
    assert target(order(), with_mode(estate, "sap", "propose")) == "sap"
    assert target(order(), with_mode(estate, "sap", "observe")) == ""
    assert target(order(company="AT04"), estate) == "", "acme takes no orders"


def test_an_order_stays_with_the_erp_that_has_it_after_a_cutover() -> None:
    estate = development_estate()
    routes = tuple(msgspec.structs.replace(each, connection="acme") for each in estate.routes)
    moved = msgspec.structs.replace(estate, routes=routes)
    assert target(order(), moved) == ""
    assert target(order(version=2), moved, published_to="sap") == "sap"


def test_a_cost_centre_without_a_word_there_keeps_the_order_here() -> None:
    estate = development_estate()
    connections = tuple(
        msgspec.structs.replace(each, own_words=("company",)) if each.name == "sap" else each
        for each in estate.connections
    )
    strange = msgspec.structs.replace(estate, connections=connections)
    value = order(cost_centre="CC-100", account="4711")
    assert enriched(value, supplier(), estate, "sap").findings == ()
    (finding,) = enriched(value, supplier(), strange, "sap").findings
    assert finding.code == "integration.mapping_missing"
    assert finding.breach == "cost_centre 'CC-100' (line 10); account '4711' (line 10)"
