"""Mapping: foreign words become ours, and what is missing is a finding, never a guess."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.estate_samples import estate, spoiled
from tripartite.core.estate import Estate
from tripartite.core.findings import Finding
from tripartite.core.mapping import Xrefs, keys_of, keys_of_supplier, map_invoice, map_order, map_receipt, unit_of
from tripartite.core.mapping.units import EQUAL, rec20
from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects import (
    Allowance,
    Identifier,
    Invoice,
    InvoiceLine,
    Order,
    OrderLine,
    Party,
    Receipt,
    ReceiptLine,
    Supplier,
    TaxSubtotal,
)
from tripartite.core.quantity import Quantity

ESTATE = estate()
NORDDAL = Party(name="Norddal GmbH", tax_id="DE 812345673")
AURUM = Party(name="Aurum Metall AG", tax_id="DE136695976", endpoint=Identifier("4012345000009", "0088"))
XREFS = Xrefs(
    {
        ("supplier", "capture", "V-77"): ("sup_aurum",),
        ("supplier", "coupa", "77"): ("sup_aurum",),
        ("supplier_tax_id", "", "DE136695976"): ("sup_aurum",),
        ("supplier_party_id", "", "0088:4012345000009"): ("sup_aurum",),
        ("supplier_tax_id", "", "DE999999999"): ("sup_twin_a", "sup_twin_b"),
        ("supplier_party_id", "", "0088:4099999000001"): ("sup_twin_b",),
        ("order", "einvoice", "AUF1"): ("PO-1",),
    }
)


def invoice(**changes: Any) -> Invoice:
    known: dict[str, Any] = {
        "number": "AB-1",
        "kind": "invoice",
        "currency": "EUR",
        "buyer": NORDDAL,
        "supplier": AURUM,
        "order_numbers": (" po-1 ",),
        "net": Amount("100.00"),
        "lines": (
            InvoiceLine(
                1,
                order_number="Po-1",
                quantity=Quantity("10"),
                unit="H87",
                price=Price("10.00"),
                amount=Amount("100.00"),
                tax_category="S",
                tax_rate=Rate("19.00"),
            ),
        ),
        "taxes": (TaxSubtotal(Amount("19.00"), category="S", rate=Rate("19")),),
    }
    return Invoice(**known | changes)


def mapped(
    document: Invoice, connection: str = "einvoice", built: Estate = ESTATE
) -> tuple[Invoice, tuple[Finding, ...]]:
    return map_invoice(document, XREFS, built, connection=connection)


def test_an_e_invoice_finds_company_supplier_order_unit_and_tax_code() -> None:
    ours, findings = mapped(invoice())
    assert findings == ()
    assert (ours.company_code, ours.supplier_id, ours.order_numbers) == ("DE01", "sup_aurum", ("PO-1",))
    line = ours.lines[0]
    assert (line.order_number, line.unit, line.tax_codes, ours.taxes[0].code) == ("PO-1", "EA", ("V19",), "V19")


def test_what_the_supplier_stated_stays_as_stated() -> None:
    stated = invoice()
    ours, _ = mapped(stated)
    assert (ours.buyer, ours.supplier, ours.net, ours.number) == (
        stated.buyer,
        stated.supplier,
        stated.net,
        stated.number,
    )
    fields = ("quantity", "price", "amount", "tax_category", "tax_rate")
    assert [getattr(ours.lines[0], name) for name in fields] == [getattr(stated.lines[0], name) for name in fields]


def test_mapping_twice_changes_nothing_more() -> None:
    once, _ = mapped(
        invoice(),
        "capture",
        estate(spoiled('["company", "unit", "tax_code"]', '["company", "unit", "tax_code", "order"]')),
    )
    twice, findings = mapped(once, "capture")
    assert (twice, findings) == (once, ())


# Company --------------------------------------------------------------------------------------------------------

# Each row: who the document says is the buyer, our company, what it shows.
BUYERS = [
    (Party(name="Somebody", tax_id="pl 526-025-02-74"), "PL02", "the tax number decides, whatever the name"),
    (Party(name="X", endpoint=Identifier("ATU13585627", "9914")), "AT04", "an electronic address with its scheme"),
    (Party(name="NORDDAL  austria"), "AT04", "an exact alias, in any case and spacing"),
    (Party(trading_name="Norddal Polska"), "PL02", "the trading name"),
    (Party(name="Norddal Austria Gesellschaft"), "DE01", "a name that only looks like it: the inbox's default"),
    (None, "DE01", "no buyer at all: the inbox's default"),
]


@pytest.mark.parametrize(("buyer", "code", "shows"), BUYERS, ids=[row[2] for row in BUYERS])
def test_the_company_is_found_by_what_identifies_it(buyer: Party | None, code: str, shows: str) -> None:
    assert mapped(invoice(buyer=buyer, lines=(), taxes=()))[0].company_code == code, shows


def test_a_tax_number_of_somebody_else_is_never_overruled_by_the_default_company() -> None:
    ours, (finding,) = mapped(invoice(buyer=Party(name="Norddal GmbH", tax_id="DE111111111"), lines=(), taxes=()))
    assert (ours.company_code, finding.code, finding.breach) == (
        "",
        "integration.mapping_missing",
        "buyer tax number:DE111111111",
    )


def test_without_a_default_a_document_that_names_nobody_has_no_company() -> None:
    built = estate(spoiled('default_company = "DE01"\n', ""))
    ours, findings = mapped(invoice(buyer=None, lines=(), taxes=()), built=built)
    assert (ours.company_code, [entry.code for entry in findings]) == ("", ["integration.mapping_missing"])


def test_a_company_that_the_connection_does_not_serve_is_not_taken() -> None:
    ours, findings = mapped(invoice(company_code="DE01", buyer=None, lines=(), taxes=()), "acme")
    assert ours.company_code == ""
    assert "not served by acme" in findings[0].breach


# Supplier -------------------------------------------------------------------------------------------------------


def test_the_channels_number_comes_before_the_document() -> None:
    ours, findings = mapped(
        invoice(company_code="DE01", supplier_number=" V-77 ", supplier=Party(name="whoever")), "capture"
    )
    assert (ours.supplier_id, findings) == ("sup_aurum", ())


def test_a_tax_number_that_belongs_to_another_supplier_is_found() -> None:
    other = Party(name="Aurum", tax_id="DE999999999")
    ours, findings = mapped(invoice(company_code="DE01", supplier_number="V-77", supplier=other), "capture")
    assert (ours.supplier_id, [entry.code for entry in findings]) == ("sup_aurum", ["tax.supplier_number_invalid"])


def test_a_name_alone_never_finds_a_supplier() -> None:
    ours, findings = mapped(invoice(supplier=Party(name="Aurum Metall AG")))
    assert (ours.supplier_id, [entry.code for entry in findings]) == ("", ["supplier.unknown"])


def test_an_identifier_without_its_scheme_finds_nobody() -> None:
    bare = Party(name="Aurum", endpoint=Identifier("4012345000009"))
    assert mapped(invoice(supplier=bare))[0].supplier_id == ""


def test_twins_are_not_chosen_from() -> None:
    ours, findings = mapped(invoice(supplier=Party(name="Twin", tax_id="DE999999999")))
    assert (ours.supplier_id, [entry.code for entry in findings]) == ("", ["supplier.duplicate", "supplier.unknown"])


def test_an_identifier_decides_between_twins_but_brings_nobody_else_in() -> None:
    decided = Party(name="Twin", tax_id="DE999999999", endpoint=Identifier("4099999000001", "0088"))
    assert mapped(invoice(supplier=decided))[0].supplier_id == "sup_twin_b"
    contradicted = Party(name="Twin", tax_id="DE136695976", endpoint=Identifier("4099999000001", "0088"))
    ours, findings = mapped(invoice(supplier=contradicted))
    assert (ours.supplier_id, [entry.code for entry in findings]) == ("", ["supplier.unknown"])


def test_the_shell_is_told_every_key_that_mapping_looks_up() -> None:
    class Watching(dict[Any, Any]):
        asked: set[Any]

        def get(self, key: Any, default: Any = None) -> Any:
            self.asked.add(key)
            return super().get(key, default)

    for document, connection in ((invoice(supplier_number="V-77"), "capture"), (invoice(), "einvoice")):
        watching = Watching()
        watching.asked = set()
        map_invoice(document, Xrefs(watching), ESTATE, connection=connection)
        assert watching.asked <= keys_of(document, connection)


def test_a_supplier_of_the_master_is_found_under_the_keys_it_was_filed_by() -> None:
    master = Supplier(
        number="77",
        name="Aurum Metall AG",
        tax_id="DE 136 695 976",
        endpoint="0088:4012345000009",
        names_elsewhere={"capture": "V-77"},
    )
    filed = Xrefs(dict.fromkeys(keys_of_supplier(master, "coupa"), ("sup_aurum",)))
    for document, connection in (
        (invoice(), "einvoice"),
        (invoice(supplier=Party(endpoint=AURUM.endpoint)), "einvoice"),
        (invoice(supplier=None, supplier_number="V-77"), "capture"),
        (invoice(supplier=None, supplier_number="77"), "coupa"),
    ):
        assert map_invoice(document, filed, ESTATE, connection=connection)[0].supplier_id == "sup_aurum"


# Units, taxes, numbers ------------------------------------------------------------------------------------------


def test_a_cross_referenced_order_number_becomes_ours() -> None:
    assert mapped(invoice(order_numbers=("Auf 1",)))[0].order_numbers == ("PO-1",)


def test_a_vendors_unit_is_mapped_by_its_connection_and_never_read_as_a_standard_code() -> None:
    def unit(word: str) -> tuple[str, list[str]]:
        order = Order("PO-1", "EUR", company_code="DE01", supplier_id="s", lines=(OrderLine(1, unit=word),))
        ours, findings = map_order(order, XREFS, ESTATE, connection="sap")
        return ours.lines[0].unit, [entry.code for entry in findings]

    assert unit("ST") == ("EA", []), "in SAP a piece"
    assert unit("KGM") == ("KGM", ["integration.mapping_missing"]), "not a word of this SAP"
    assert unit_of("ST") == "ST", "in the recommendation a sheet"


def test_an_unknown_unit_is_one_finding_that_names_its_lines() -> None:
    lines = tuple(InvoiceLine(number, unit="Stk") for number in range(1, 9))
    _, (finding,) = mapped(invoice(lines=lines))
    assert finding.words == "einvoice says unit 'Stk' (line 1, 2, 3, 4, 5, ...); there is no word of ours for it."


def test_a_rate_that_the_country_does_not_have_is_missing() -> None:
    line = InvoiceLine(1, tax_category="S", tax_rate=Rate("20"))
    ours, (finding,) = mapped(invoice(lines=(line,), taxes=()))
    assert (ours.lines[0].tax_codes, finding.breach) == ((), "tax:DE S 20 %")


def test_where_nothing_is_said_of_tax_nothing_is_invented() -> None:
    ours, findings = mapped(invoice(lines=(InvoiceLine(1),), taxes=()))
    assert (ours.lines[0].tax_codes, findings) == ((), ())


def test_charges_are_taxed_in_our_codes_too() -> None:
    freight = Allowance(Amount("10.00"), "freight", tax_category="AE")
    ours, findings = mapped(invoice(charges=(freight,)))
    assert (ours.charges[0].tax_codes, findings) == (("VRC",), ())


def test_an_orders_cost_centre_without_a_mapping_is_missing_and_stays_out() -> None:
    built = estate(spoiled('"tax_code", "cost_centre", "account"]', '"tax_code", "account"]'))
    order = Order("1", "EUR", company_code="DE01", supplier_number="77", lines=(OrderLine(1, cost_centre="K100"),))
    ours, (finding,) = map_order(order, XREFS, built, connection="coupa")
    assert (ours.lines[0].cost_centre, finding.breach) == ("", "cost_centre:K100")


def test_a_receipt_gets_its_company_and_order_and_needs_no_supplier() -> None:
    receipt = Receipt("GR-1", company_code="DE01", lines=(ReceiptLine("po-1", 1, Quantity("5"), "C62"),))
    ours, findings = map_receipt(receipt, XREFS, ESTATE, connection="coupa")
    assert (ours.company_code, ours.lines[0].order_number, ours.lines[0].unit, findings) == ("DE01", "PO-1", "EA", ())


def test_equal_units_end_in_one_form_that_the_recommendation_knows() -> None:
    for ours in EQUAL.values():
        assert ours in rec20()
        assert unit_of(ours) == ours, "a form that is itself rewritten would depend on the order of reading"
    assert unit_of("ea") is None
    assert unit_of("Stück") is None
    assert unit_of("XPL") == "XPL"


def test_findings_and_documents_are_plain_values() -> None:
    ours, findings = mapped(invoice())
    assert msgspec.structs.replace(ours) == ours
    assert hash(findings) == hash(())


@pytest.mark.samples
def test_the_units_are_those_of_the_recommendation() -> None:
    samples = os.environ.get("TRIPARTITE_SAMPLES")
    if not samples:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    with (Path(samples) / "code-lists/unece-rec20-units.csv").open(encoding="utf-8") as file:
        assert {row["code"] for row in csv.DictReader(file)} == rec20()
