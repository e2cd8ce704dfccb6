"""Canonical objects out of the facts that the tables of a syntax collected: what UBL and CII have in common.

The names of facts are the same for every syntax; so is everything that is decided here: which type code is which kind,
what sign an allowance has, which price unit is worth saying. Nothing here reads XML, and nothing is recomputed: totals
stay as stated.
"""

from __future__ import annotations

import re

from lxml.etree import _Element as Element
from msgspec.structs import force_setattr, replace

from tripartite.connectors.documents.source import Facts, Source
from tripartite.connectors.documents.tables import negated
from tripartite.core.money import Amount, Rate
from tripartite.core.objects import (
    Address,
    Allowance,
    BankAccount,
    Contact,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    Party,
    TaxSubtotal,
)
from tripartite.core.objects.invoice import (
    AdvancePayment,
    Card,
    Delivery,
    ItemAttribute,
    PaymentMeans,
    Reference,
)
from tripartite.runtime.xml import XmlRefused

MOST_LINES = 100_000

# UNTDID 1001 as EN 16931 uses it: BT-3. What is not listed is an invoice, partial and corrected ones too (326, 384,
# 875 to 877), and so is a debit note (383), which may bill quantities.
_KINDS: dict[str, InvoiceKind] = {
    **dict.fromkeys(("81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "532"), "credit_memo"),
    **dict.fromkeys(("386", "500"), "prepayment"),
    **dict.fromkeys(("389", "527"), "self_billed"),
}

# UNTDID 7161 and 5189: the charges that matching knows by name. What is not listed keeps its code.
_CHARGE_KINDS = {
    "FC": "freight",
    "DL": "freight",
    "SAA": "freight",
    "HD": "handling",
    "SH": "handling",
    "PC": "packing",
    "ABL": "packing",
    "IN": "insurance",
    "FAB": "freight",
}


def kind_of(type_code: str, otherwise: InvoiceKind = "invoice") -> InvoiceKind:
    """The kind that a type code (BT-3) says; `otherwise` is what the document's root says where the code is silent."""
    if otherwise == "credit_memo":
        return otherwise
    return _KINDS.get(type_code, otherwise)


def address_of(facts: Facts, _element: Element, _source: Source) -> Address | None:
    lines = tuple(facts[key] for key in ("line_1", "line_2", "line_3") if key in facts)
    value = Address(
        lines,
        facts.get("city", ""),
        facts.get("postal_code", ""),
        facts.get("subdivision", ""),
        facts.get("country", ""),
    )
    return value if value != _NO_ADDRESS else None


_NO_ADDRESS = Address()


def contact_of(facts: Facts, _element: Element, _source: Source) -> Contact | None:
    """A person, or the department where no person is named."""
    name, department = facts.get("name", ""), facts.get("department", "")
    if not name:
        name, department = department, ""
    return Contact(name, facts.get("phone", ""), facts.get("email", ""), department) if facts else None


def party_of(facts: Facts, _element: Element, _source: Source) -> Party | None:
    """A party. Its legal name is its name; a party that states only a trading name goes by that."""
    name, trading = facts.get("name", ""), facts.get("trading_name", "")
    if not name:
        name, trading = trading, ""
    value = Party(
        name=name,
        trading_name=trading,
        ids=tuple(facts.get("ids", ())),
        registration=facts.get("registration"),
        tax_id=facts.get("tax_id", ""),
        tax_registration=facts.get("tax_registration", ""),
        endpoint=facts.get("endpoint"),
        legal_form=facts.get("legal_form", ""),
        address=facts.get("address"),
        contact=facts.get("contact"),
    )
    return value if value != _NO_PARTY else None


_NO_PARTY = Party()


def without_creditor(party: Party | None) -> tuple[Party | None, str]:
    """The party without its SEPA creditor identifier, and that identifier (BT-90), which UBL hides among its ids."""
    if party is None:
        return None, ""
    sepa = [entry.value for entry in party.ids if entry.scheme == "SEPA"]
    if not sepa:
        return party, ""
    rest = tuple(entry for entry in party.ids if entry.scheme != "SEPA" or entry.value != sepa[0])
    return replace(party, ids=rest), sepa[0]


def allowance_of(facts: Facts, element: Element, source: Source) -> Allowance:
    """A charge adds its stated amount and an allowance takes it away, whatever sign that has. BG-20, 21, 27, 28."""
    amount = facts.get("amount")
    charge = facts.get("charge")
    if amount is None or charge is None:
        source.refuse("intake.malformed", element, "an allowance or charge without its amount or its indicator")
    code = facts.get("code", "")
    return Allowance(
        amount=amount if charge else negated(amount),
        kind=_CHARGE_KINDS.get(code, "charge") if charge else "allowance",
        code=code,
        reason=facts.get("reason", ""),
        percent=facts.get("percent"),
        base=facts.get("base"),
        tax_category=facts.get("tax_category", ""),
        tax_rate=facts.get("tax_rate"),
    )


def subtotal_of(facts: Facts, element: Element, source: Source) -> TaxSubtotal:
    if "amount" not in facts:
        source.refuse("intake.malformed", element, "a tax breakdown without its amount")
    return TaxSubtotal(
        amount=facts["amount"],
        category=facts.get("tax_category", ""),
        rate=facts.get("tax_rate"),
        base=facts.get("base"),
        exemption=facts.get("exemption", ""),
        exemption_code=facts.get("exemption_code", ""),
    )


def reference_of(facts: Facts, _element: Element, _source: Source) -> Reference | None:
    return Reference(facts["number"], facts.get("issued_on")) if "number" in facts else None


def account_of(facts: Facts, element: Element, source: Source) -> BankAccount | None:
    """BG-17. A bank without an account pays nobody, but it is not forgotten."""
    if "account" not in facts:
        for key, value in facts.items():
            source.extra[f"{source.pointer(element)}/{key}"] = value
        return None
    return BankAccount(facts["account"], facts.get("holder", ""), facts.get("institution", ""))


def card_of(facts: Facts, _element: Element, _source: Source) -> Card | None:
    return Card(facts.get("number", ""), facts.get("holder", "")) if facts else None


def means_of(facts: Facts, element: Element, source: Source) -> PaymentMeans:
    account = facts.get("account")
    if account is None and "institution" in facts:
        source.extra[f"{source.pointer(element)}/institution"] = facts["institution"]
    elif account is not None and "institution" in facts:
        account = BankAccount(account.account, account.holder, facts["institution"])
    return PaymentMeans(
        code=facts.get("code", ""),
        name=facts.get("name", ""),
        account=account,
        card=facts.get("card"),
        debited_account=facts.get("debited_account", ""),
        reference=facts.get("reference", ""),
    )


def delivery_of(facts: Facts, _element: Element, _source: Source) -> Delivery | None:
    value = Delivery(facts.get("name", ""), facts.get("location"), facts.get("delivered_on"), facts.get("address"))
    return value if value != _NO_DELIVERY else None


_NO_DELIVERY = Delivery()


def advance_of(facts: Facts, element: Element, source: Source) -> AdvancePayment | None:
    if not facts:
        return None
    if "amount" not in facts:
        source.refuse("intake.malformed", element, "a payment without its amount")
    return AdvancePayment(**facts)


def attribute_of(facts: Facts, _element: Element, _source: Source) -> ItemAttribute | None:
    return ItemAttribute(facts.get("name", ""), facts.get("value", "")) if facts else None


_PLAIN = re.compile(r"[0-9]{1,9}\Z", re.ASCII)


def plain_number(stated: str) -> int | None:
    """A line number that is a plain number, BT-132: `10` and `0010`, not `6171175.1`."""
    return int(stated) if _PLAIN.match(stated) else None


def line_of(facts: Facts, _element: Element, _source: Source) -> InvoiceLine:
    """One line as billed. BG-25. A base quantity of 1 in the line's own unit says nothing, and is left out."""
    stated = facts.get("order_line_ref")
    if stated is not None:
        facts["order_line"] = plain_number(stated)
    per = facts.get("price_per")
    unit = facts.get("price_unit")
    if unit is not None and unit == facts.get("unit"):
        del facts["price_unit"]
        unit = None
    if per is not None and unit is None and per == 1:
        del facts["price_per"]
    details = facts.get("details")
    if details is not None and "description" not in facts:
        facts["description"] = facts.pop("details")
    for key in ("allowances", "classifications", "attributes", "sub_lines"):
        if key in facts:
            facts[key] = tuple(facts[key])
    sub_lines = facts.get("sub_lines")
    if sub_lines is not None:
        facts["sub_lines"] = numbered(sub_lines)
    facts.pop("_seen", None)
    return InvoiceLine(line=0, **facts)


def numbered(lines: tuple[InvoiceLine, ...] | list[InvoiceLine]) -> tuple[InvoiceLine, ...]:
    """The lines with their positions, from 1."""
    for position, line in enumerate(lines, 1):
        # Nobody else holds this line yet; a copy of forty fields would cost a tenth of the whole reading.
        force_setattr(line, "line", position)
    return tuple(lines)


def invoice_of(facts: Facts, otherwise: InvoiceKind, root: str, source: Source) -> Invoice:
    """The document as a canonical invoice. Errors: `XmlRefused`: no number, no or two currencies, too many lines.

    Amounts are as stated: of a credit memo positive, the kind gives the sign; of an invoice with negative totals
    negative. `original` is the first preceding invoice, `remit_to` the first account.
    """
    number = facts.get("number")
    if not number:
        raise XmlRefused("intake.malformed", root, "a document without its number")
    lines = facts.get("lines", ())
    if len(lines) > MOST_LINES:
        raise XmlRefused("intake.too_large", root, f"more than {MOST_LINES} lines")
    type_code = facts.get("type_code", "")
    originals: tuple[Reference, ...] = tuple(facts.get("originals", ()))
    means: list[PaymentMeans] = facts.get("payment_means", [])
    receipts = tuple(facts.get("receipt_numbers", ()))
    despatches = tuple(facts.get("despatch_numbers", ()))
    supplier, creditor = without_creditor(facts.get("supplier"))
    payee, payee_creditor = without_creditor(facts.get("payee"))
    rounding = facts.get("rounding")
    if rounding is not None and not rounding:
        rounding = None
        source.dropped.add("BT-114")
    discount_percent, discount_days = _discount(facts.get("payment_terms", ""))
    return Invoice(
        number=number,
        kind=kind_of(type_code, otherwise),
        currency=facts["currency"],
        issued_on=facts.get("issued_on"),
        supplier_number=facts.get("supplier_number", ""),
        supplier=supplier,
        buyer=facts.get("buyer"),
        type_code=type_code,
        order_numbers=tuple(facts.get("order_numbers", ())),
        contract=facts.get("contract", ""),
        receipt_numbers=receipts + despatches,
        original=originals[0].number if originals else "",
        original_issued_on=originals[0].issued_on if originals else None,
        remit_to=next((entry.account for entry in means if entry.account is not None), None),
        discount_percent=discount_percent,
        discount_days=discount_days,
        due_on=facts.get("due_on"),
        payment_terms=facts.get("payment_terms", ""),
        payment_reference=facts.get("payment_reference", ""),
        net=facts.get("net"),
        tax=facts.get("tax"),
        gross=facts.get("gross"),
        prepaid=facts.get("prepaid"),
        rounding=rounding,
        payable=facts.get("payable"),
        lines=numbered(lines),
        charges=tuple(facts.get("charges", ())),
        taxes=tuple(facts.get("taxes", ())),
        notes=tuple(facts.get("notes", ())),
        ids=tuple(facts.get("ids", ())),
        extra=source.extra,
        customization=facts.get("customization", ""),
        profile=facts.get("profile", ""),
        buyer_reference=facts.get("buyer_reference", ""),
        project=facts.get("project", ""),
        sales_order=facts.get("sales_order", ""),
        despatch_numbers=despatches,
        tender=facts.get("tender", ""),
        object_id=facts.get("object_id"),
        accounting_reference=facts.get("accounting_reference", ""),
        tax_currency=facts.get("tax_currency", ""),
        tax_in_tax_currency=facts.get("tax_in_tax_currency"),
        tax_point_on=facts.get("tax_point_on"),
        tax_point_code=facts.get("tax_point_code", ""),
        period_from=facts.get("period_from"),
        period_to=facts.get("period_to"),
        payee=payee,
        tax_representative=facts.get("tax_representative"),
        deliveries=tuple(facts.get("deliveries", ())),
        payment_means=tuple(means),
        mandate=facts.get("mandate", ""),
        creditor_id=facts.get("creditor_id", "") or creditor or payee_creditor,
        lines_total=facts.get("lines_total"),
        allowances_total=facts.get("allowances_total"),
        charges_total=facts.get("charges_total"),
        originals=originals,
        attachments=tuple(facts.get("attachments", ())),
        payments=tuple(facts.get("payments", ())),
    )


# XRechnung states a cash discount in words of its own inside the terms: #SKONTO#TAGE=14#PROZENT=2.25#
_DISCOUNT = re.compile(r"^#SKONTO#TAGE=([0-9]{1,3})#PROZENT=([0-9]{1,2}\.[0-9]{2})#\r?$", re.ASCII | re.MULTILINE)


def _discount(terms: str) -> tuple[Rate | None, int | None]:
    """The first cash discount on the whole amount: percent and days. Terms in free words say none."""
    found = _DISCOUNT.search(terms) if "#SKONTO#" in terms else None
    return (Rate.parse(found.group(2)), int(found.group(1))) if found else (None, None)


def settle_tax_totals(
    totals: list[tuple[Amount, str, Element]], currency: str, tax_currency: str, source: Source
) -> dict[str, Amount]:
    """BT-110 and BT-111 out of the stated tax totals: one per currency, and no third currency.

    Errors: `intake.ambiguous` for a second total of one currency (bad input 64) or a currency nobody announced.
    """
    result: dict[str, Amount] = {}
    for amount, stated, element in totals:
        if stated in ("", currency):
            key = "tax"
        elif stated == tax_currency:
            key = "tax_in_tax_currency"
        else:
            source.refuse(
                "intake.ambiguous", element, f"a tax total in {stated[:8]}, which is no currency of the document"
            )
        if key in result:
            source.refuse("intake.ambiguous", element, f"a second tax total in {stated or currency}")
        result[key] = amount
    return result
