"""Whose word counts: a stream is pulled from the system of record, and a bank's reports from the bank."""

from __future__ import annotations

import pytest

from support.house import House
from support.paying import paying_estate
from tripartite.components.gateway.flows import owns
from tripartite.connectors import registry


@pytest.mark.parametrize(("name", "kind", "pulled"), [("coupa", "order", True), ("sap", "order", False)])
async def test_an_order_is_pulled_from_procurement_and_not_from_the_erp(
    house: House, name: str, kind: str, pulled: bool
) -> None:
    assert owns(house.ports, name, kind) is pulled


async def test_every_stream_of_every_connection_has_an_answer_and_the_banks_are_its_own(house: House) -> None:
    house.ports.estate = paying_estate()
    answers = {
        (each.kind, stream): owns(house.ports, each.name, stream)
        for each in house.ports.estate.connections
        if each.kind in registry.kinds()
        for stream in registry.manifest(each.kind).reads
    }
    assert answers["iso20022_bank", "payment_report"]
    assert answers["iso20022_bank", "bank_statement"]
