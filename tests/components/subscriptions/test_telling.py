"""What a subscriber hears: what it asked for, of its companies, since its day; signed, masked, in the agreed shape."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from support.events import faults
from support.newsroom import BOOKS, OLD, Newsroom
from support.papers import invoice, order, receipt, supplier
from support.receiver import genuine
from tripartite.core.objects import BankAccount

IBAN = "DE89370400440532013000"


async def a_posted_invoice(newsroom: Newsroom, company: str = "DE01", number: str = "RE-1001") -> None:
    """Supplier, order, late receipt: the invoice is held, released by the receipt, and posted."""
    of = f"45-{company}-{number}"
    await newsroom.house.bring(supplier(accounts=(BankAccount(IBAN),)))
    await newsroom.house.bring(order(of, company=company))
    remit = BankAccount("DE89 3704 0044 0532 0130 00", holder="Aurum")
    await newsroom.house.bring_invoice(invoice(number, of=of, company=company, remit_to=remit))
    await newsroom.house.bring(receipt(f"GR-{number}", "10", of=of, company=company))
    await newsroom.house.settle()


async def test_a_subscriber_hears_the_story_of_an_invoice_in_signed_cloud_events(newsroom: Newsroom) -> None:
    await a_posted_invoice(newsroom)
    await newsroom.tell()
    assert newsroom.books.forged == newsroom.ledger.forged == 0
    types = newsroom.books.types()
    assert set(types) >= {"order.recorded", "receipt.recorded", "exception.opened", "exception.cleared"}
    assert [each for each in types if each.startswith("invoice.")] == [
        *("invoice.decided", "invoice.decided", "invoice.posted"),
    ]
    assert newsroom.ledger.types() == ["invoice.decided", "invoice.decided", "invoice.posted"]
    for arrived in [*newsroom.books.arrived, *newsroom.ledger.arrived]:
        assert arrived.headers["content-type"] == "application/cloudevents+json"
        assert faults(arrived.event) == []
    posted = newsroom.ledger.events[-1]
    assert posted["specversion"] == "1.0"
    assert posted["source"] == "/estates/norddal/companies/DE01"
    assert posted["subject"] == f"invoice/{posted['data']['invoice_id']}"
    assert posted["data"]["state"] == "posted"
    assert Decimal(posted["data"]["gross"]) == Decimal("47.60")
    assert int(newsroom.ledger.events[0]["sequence"]) < int(posted["sequence"])


async def test_account_numbers_never_leave_the_house(newsroom: Newsroom) -> None:
    await a_posted_invoice(newsroom)
    await newsroom.tell()
    everything = b"".join(each.body for each in [*newsroom.books.arrived, *newsroom.ledger.arrived])
    assert b"0532013000" not in everything.replace(b" ", b"")
    assert newsroom.ledger.events[-1]["data"]["remit_to"] == {"account": "DE**3000", "holder": "Aurum"}


async def test_a_subscriber_hears_of_its_companies_only(newsroom: Newsroom) -> None:
    await a_posted_invoice(newsroom)
    await a_posted_invoice(newsroom, "PL02", "RE-2002")
    await newsroom.tell()
    assert {event["companycode"] for event in newsroom.books.events} == {"DE01"}
    assert {event["companycode"] for event in newsroom.ledger.events} == {"DE01", "PL02"}


async def test_what_happened_before_a_subscribers_day_is_not_told(newsroom: Newsroom) -> None:
    estate = newsroom.house.ports.estate
    late = tuple(
        msgspec.structs.replace(each, valid_from=date(2026, 11, 21)) if each.name == "ledger" else each
        for each in estate.subscribers
    )
    newsroom.house.ports.estate = msgspec.structs.replace(estate, subscribers=late)
    await a_posted_invoice(newsroom)
    newsroom.house.clock.turn(days=1)
    await newsroom.house.bring_invoice(invoice("RE-1002", of="45-DE01-RE-1001"))
    await newsroom.tell()
    assert {event["data"]["number"] for event in newsroom.ledger.events} == {"RE-1002"}
    invoices = [event for event in newsroom.books.events if event["subject"].startswith("invoice/")]
    assert {event["data"]["number"] for event in invoices} == {"RE-1001", "RE-1002"}


async def test_a_subscriber_that_comes_later_hears_all_since_its_day(newsroom: Newsroom) -> None:
    estate = newsroom.house.ports.estate
    newsroom.house.ports.estate = msgspec.structs.replace(estate, subscribers=estate.subscribers[:1])
    await a_posted_invoice(newsroom)
    await newsroom.tell("books")
    newsroom.house.ports.estate = estate
    await newsroom.tell()
    assert newsroom.ledger.types() == ["invoice.decided", "invoice.decided", "invoice.posted"]


async def test_while_a_secret_is_replaced_both_are_good(newsroom: Newsroom) -> None:
    newsroom.secrets["books"] = [OLD, BOOKS]
    await newsroom.house.bring(supplier(), order())
    await newsroom.tell("books")
    assert newsroom.books.forged == 0
    now = newsroom.house.clock.now()
    assert newsroom.books.arrived
    assert all(genuine(each, OLD, now) and genuine(each, BOOKS, now) for each in newsroom.books.arrived)
    assert not any(genuine(each, "whsec_bm90IGEgc2VjcmV0IG9mIG91cnM=", now) for each in newsroom.books.arrived)


async def test_read_again_and_in_halves_nothing_is_told_twice(newsroom: Newsroom) -> None:
    """The bus is read again as after a restore of older cursors, by two readers, with deliveries in between."""
    await a_posted_invoice(newsroom)
    await newsroom.tell()
    before = len(newsroom.books.arrived)
    assert before > 6
    for topic in ("invoice.events", "exception.events", "order.events", "receipt.events"):
        await newsroom.house.rewind("subscriber books", topic)
    await newsroom.house.pump_only("subscriptions")
    await newsroom.tell()
    await newsroom.house.pump_only("subscriptions")
    assert await newsroom.tell() == 0
    assert len(newsroom.books.arrived) == before
    ids = [each.webhook_id for each in newsroom.books.arrived]
    assert len(set(ids)) == len(ids)
