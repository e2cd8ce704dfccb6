"""The events that leave the house: named once, described validly, masked, and in the shape that is described."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from house.tree import SOURCE, python_files
from support.events import faults, official
from tripartite.core import codec
from tripartite.core.contracts.asyncapi import asyncapi
from tripartite.core.contracts.cloudevents import cloud_event, masked
from tripartite.core.contracts.names import NAMES, matching
from tripartite.core.contracts.published import BY_NAME, CATALOGUE, number_of, wanted
from tripartite.core.envelope import Message
from tripartite.core.events import InvoiceChanged, OrderPublished, PaymentChanged
from tripartite.core.money import Amount
from tripartite.core.objects import BankAccount, Payment

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
IBAN = "DE89370400440532013000"
# Told among components only; `order.owed` is a kind of leaf.
OURS_ALONE = frozenset(
    {"order.sought", "receipts.requeried", "requisition.recorded", "requisition.ordered", "order.owed"}
)


def message(name: str, value: Any, **further: Any) -> Message:
    known: dict[str, Any] = {
        "message_id": "msg_1",
        "type": f"tripartite.{name}.v1",
        "company_code": "DE01",
        "key": "S-1",
        "correlation_id": "c_1",
        "occurred_at": AT,
        "payload": codec.encode(value),
        **further,
    }
    return Message(**known)


def test_the_description_is_a_valid_asyncapi_document() -> None:
    document = msgspec.json.decode(codec.encode(asyncapi()))
    assert [error.message[:200] for error in official().iter_errors(document)] == []
    assert len(document["components"]["messages"]) == len(CATALOGUE)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("info"),
        lambda document: document["operations"]["send_order_events"].update(action="shout"),
        lambda document: document["channels"]["order"].update(nonsense=1),
        lambda document: document["components"]["schemas"]["Order"].update(required="all"),
    ],
)
def test_the_official_schema_notices_what_is_wrong(spoil: Any) -> None:
    document = msgspec.json.decode(codec.encode(asyncapi()))
    spoil(document)
    assert not official().is_valid(document)


def test_every_reference_of_the_description_leads_somewhere() -> None:
    text = codec.encode(asyncapi()).decode()
    document = msgspec.json.decode(text)
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        place = document
        for part in reference.split("/"):
            place = place[part]


def test_what_components_tell_on_these_topics_is_published_or_ours_alone() -> None:
    """A new event is a decision: it is listed, or said to be ours."""
    said = set()
    for path in python_files(SOURCE / "components"):
        text = path.read_text(encoding="utf-8")
        said |= set(re.findall(r'"((?:order|receipt|receipts|invoice|requisition)\.[a-z]+ed|order\.sought)"', text))
    events = {name for name in said if name.split(".")[0] not in ("supplier",)}
    assert events - OURS_ALONE <= set(NAMES), events - OURS_ALONE - set(NAMES)
    assert {"order.recorded", "invoice.posted", "receipt.published"} <= events


def test_patterns_mean_names_of_the_catalogue() -> None:
    assert matching(["invoice.posted"]) == ("invoice.posted",)
    assert matching(["*"]) == NAMES
    assert {each.kind for each in wanted(["payment.*", "order.published"])} == {"payment", "order"}
    assert matching(["invoice.lost", "Invoice.posted", ""]) == ()
    assert all(BY_NAME[each.name] is each for each in CATALOGUE)


def test_an_event_carries_what_happened_to_what_and_because_of_what() -> None:
    value = OrderPublished("DE01", "4500000001", 2, "sap", "4500000001")
    told = cloud_event(
        message("order.published", value, causation_id="msg_0", source="sap"), estate="nord dal", sequence=7
    )
    assert told is not None
    event = msgspec.json.decode(codec.encode(told))
    assert event == {
        "specversion": "1.0",
        "id": "msg_1",
        "source": "/estates/nord%20dal/companies/DE01",
        "type": "tripartite.order.published.v1",
        "subject": "order/4500000001",
        "time": "2026-11-20T08:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "/v1/asyncapi.json#/components/schemas/OrderPublished",
        "companycode": "DE01",
        "correlationid": "c_1",
        "causationid": "msg_0",
        "origin": "sap",
        "sequence": "7",
        "data": {
            **{"company_code": "DE01", "order_number": "4500000001", "version": 2},
            **{"connection": "sap", "document": "4500000001"},
        },
    }
    assert faults(event) == []
    assert all(re.fullmatch("[a-z0-9]+", name) for name in event), "CloudEvents: attribute names"


def test_what_is_ours_alone_is_no_event_for_the_outside() -> None:
    assert cloud_event(message("order.sought", {}), estate="norddal", sequence=1) is None


def test_a_payment_is_told_without_the_account_that_it_goes_to() -> None:
    payment = Payment(
        *("P-1", "DE01", "S-1", "EUR", Amount("47.60"), "sent"),
        account=BankAccount(IBAN, holder="Aurum", institution="COBADEFFXXX"),
    )
    value = PaymentChanged(payment, words=f"To {IBAN[:4]} {IBAN[4:8]} {IBAN[8:12]} {IBAN[12:16]} {IBAN[16:20]} 00 now")
    told = cloud_event(message("payment.sent", value), estate="norddal", sequence=1)
    assert told is not None
    assert told.data.value.account == BankAccount("DE**3000", holder="Aurum", institution="COBADEFFXXX")
    assert told.data.words == "To DE**3000 now"
    assert number_of(told.data) == "P-1"
    assert faults(msgspec.json.decode(codec.encode(told))) == []


def test_numbers_that_are_no_accounts_stay_readable() -> None:
    value = InvoiceChanged(
        *("inv_1", "RE12345678901234567", "DE01", "S-1", "Aurum", "invoice", "EUR", "held", "hold", 1),
        words="Order PO20261120ABCDEFGH is not known.",
        issued_on=date(2026, 11, 16),
    )
    assert masked(value) is value
    assert masked(BankAccount("12345")).account == "**"
