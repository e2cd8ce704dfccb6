"""Every name we ask Coupa for is a name Coupa documents (element facts beside the samples)."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from pathlib import Path

import pytest

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.words import DROPPED, ORDER_STATUS, REQUISITION_STATUS

RESOURCES: dict[type[wire.Wire], tuple[str, ...]] = {
    wire.Supplier: ("Suppliers",),
    wire.Requisition: ("Requisitions",),
    wire.RequisitionLine: ("Requisition_Line", "Requisition_Amount_Line"),
    wire.Order: ("Purchase_Orders",),
    wire.OrderLine: ("Purchase_Order_Lines",),
    wire.OrderLineRef: ("Purchase_Order_Lines",),
    wire.Receipt: ("Receiving_Transactions",),
    wire.Movement: ("Receiving_Transactions",),
    wire.BudgetLine: ("Budget_Lines",),
    wire.Period: ("Budget_Period",),
    wire.InvoiceState: ("Invoices",),
    wire.HistoryRecord: ("Integration_History_Record",),
    wire.RequisitionRef: ("Requisitions",),
    wire.OrderPlace: ("Purchase_Order_Lines",),
    wire.Account: ("Accounts",),
    wire.AccountType: ("Account_Types",),
    wire.Address: ("Address",),
    wire.ShipTo: ("Address",),
    wire.PaymentTerm: ("Payment_Terms",),
    wire.User: ("Users",),
    wire.SupplierRef: ("Suppliers",),
}
# Not among the resources of the facts, and so not checked here: approvals, payments of an invoice, items, units,
# currencies, countries and content groups; of them we read the least there is (a code, a name, a status).
# Custom fields belong to the tenant, so no page of Coupa's can list them.
NOT_IN_THE_FACTS = {(wire.OrderLine, "custom-fields")}


@pytest.fixture(scope="module")
def facts() -> dict[str, set[str]]:
    samples = os.environ.get("TRIPARTITE_SAMPLES")
    if not samples:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    known: dict[str, set[str]] = defaultdict(set)
    path = Path(samples).parent / "vendors" / "metadata" / "coupa" / "fields.tsv"
    with path.open(encoding="utf-8") as lines:
        for row in csv.reader(lines, delimiter="\t"):
            if len(row) > 1:
                known[row[0]].add(row[1])
    return known


@pytest.mark.samples
@pytest.mark.parametrize("shape", RESOURCES, ids=lambda shape: shape.__name__)
def test_every_field_we_read_is_one_coupa_documents(facts: dict[str, set[str]], shape: type[wire.Wire]) -> None:
    documented = set().union(*(facts[resource] for resource in RESOURCES[shape]))
    unknown = {key for key in shape.__struct_encode_fields__ if (shape, key) not in NOT_IN_THE_FACTS} - documented
    assert unknown == set()


@pytest.mark.samples
def test_every_field_we_drop_is_one_coupa_documents(facts: dict[str, set[str]]) -> None:
    resources = {
        "supplier": "Suppliers",
        "requisition": "Requisitions",
        "order": "Purchase_Orders",
        "receipt": "Receiving_Transactions",
        "budget": "Budget_Lines",
    }
    for kind, names in DROPPED.items():
        for name in names:
            resource = "Purchase_Order_Lines" if name.startswith("order-lines/") else resources[kind]
            plain = name.removeprefix("order-lines/")
            assert facts[resource] & {plain, plain.replace("-", "_")}, f"{kind}: {name}"


@pytest.mark.samples
@pytest.mark.parametrize(
    ("resource", "table"), [("Purchase_Orders", ORDER_STATUS), ("Requisitions", REQUISITION_STATUS)]
)
def test_every_status_coupa_documents_stands_in_our_table(
    facts: dict[str, set[str]], resource: str, table: dict[str, str]
) -> None:
    assert "status" in facts[resource]
    path = Path(os.environ["TRIPARTITE_SAMPLES"]).parent / "vendors" / "metadata" / "coupa" / "fields.tsv"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    words = next(row[7] for row in rows if row[:2] == [resource, "status"] and len(row) > 7)
    stated = words.replace(",", " ").split()
    assert len(stated) > 5
    assert set(stated) <= set(table)


def test_the_fields_argument_asks_for_the_shape_and_leaves_out_what_is_not_needed() -> None:
    segments = frozenset(f"segment-{place}" for place in range(1, 21))
    asked = wire.fields(wire.Receipt, segments)
    assert "original_transaction_id" in asked
    assert {"created-by": ("login",)} in asked
    nested = next(entry["order-line"] for entry in asked if isinstance(entry, dict) and "order-line" in entry)
    assert "order-header-number" in nested
    assert {"account": ("code", {"account-type": ("name", "legal-entity-name")})} in nested
