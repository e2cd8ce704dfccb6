"""UN/CEFACT CrossIndustryInvoice -> the canonical invoice.

Business terms (BT, BG) as EN 16931-3-3 binds them to CII. An invoice that exists in both syntaxes gives the same
canonical invoice from both; what UBL says in another place or with other codes is brought to one form here.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from tripartite.connectors.documents import build
from tripartite.connectors.documents.cii.common import (
    ALLOWANCE,
    CATEGORY,
    NAMESPACES,
    SHIP_TO,
    additional_document,
    day,
    line_object,
    notes,
    number_of,
    party,
    table,
    trade_tax,
)
from tripartite.connectors.documents.source import Facts, Source, walk
from tripartite.connectors.documents.tables import (
    LONGEST_NUMBER,
    amount,
    classification,
    day_102,
    fixed,
    flat,
    flat_first,
    group,
    money,
    price,
    quantity,
    standard_item,
    taken,
    text,
    token,
)
from tripartite.core.codec import plain
from tripartite.core.objects import Invoice, InvoiceLine, TaxSubtotal


def invoice_from(root: Element, source: Source) -> Invoice:
    """The canonical invoice that `root` says. Errors: `XmlRefused`."""
    facts: Facts = {}
    walk(root, _DOCUMENT, facts, source)
    place = source.pointer(root)
    currency = facts["currency"] = source.settle_currency(facts.get("currency", ""), place)
    totals = facts.pop("tax_totals", [])
    facts.update(build.settle_tax_totals(totals, currency, facts.get("tax_currency", ""), source))
    if "tax" not in facts and facts.get("taxes") and _untaxed(facts["taxes"]):
        # Not subject to VAT: CII may leave the total out where UBL must state a zero. The breakdown states it.
        facts["tax"] = facts["taxes"][0].amount
    ship_to: Facts = facts.pop("ship_to", {})
    if "delivered_on" in facts:
        ship_to["delivered_on"] = facts.pop("delivered_on")
    delivery = build.delivery_of(ship_to, root, source)
    if delivery is not None:
        facts["deliveries"] = [delivery]
    return build.invoice_of(facts, "invoice", place, source)


def _untaxed(rows: list[TaxSubtotal]) -> bool:
    return all(row.category == "O" and not row.amount for row in rows)


# Lines.


def _price_allowance(element: Element, facts: Facts, source: Source) -> None:
    stated = [(leaf.text or "").strip() for leaf in element.iter(_INDICATOR)]
    if stated not in (["false"], ["0"]) or "price_discount" in facts:
        source.leftover(element)
        return
    walk(element, _PRICE_ALLOWANCE, facts, source)


_INDICATOR = f"{{{NAMESPACES['udt']}}}Indicator"
_PRICE_ALLOWANCE = table(
    {"ram:ChargeIndicator": flat(table({"udt:Indicator": taken})), "ram:ActualAmount": price("price_discount")}
)


_LINE_DOCUMENT = table(
    {
        "ram:LineID": token("line_id"),
        "ram:ParentLineID": token("parent"),
        "ram:LineStatusReasonCode": token("role"),
        "ram:IncludedNote": notes("note", joined=True),
    }
)
_PRODUCT = table(
    {
        "ram:GlobalID": standard_item,
        "ram:SellerAssignedID": token("supplier_item"),
        "ram:BuyerAssignedID": token("item"),
        "ram:Name": text("description", "join"),
        "ram:Description": text("details"),
        "ram:ApplicableProductCharacteristic": group(
            "attributes",
            table({"ram:Description": text("name", "join"), "ram:Value": text("value", "join")}),
            build.attribute_of,
            "many",
        ),
        "ram:DesignatedProductClassification": flat(table({"ram:ClassCode": classification})),
        "ram:OriginTradeCountry": flat_first("OriginTradeCountry", table({"ram:ID": token("origin")})),
    }
)
_LINE_AGREEMENT = table(
    {
        "ram:BuyerOrderReferencedDocument": flat_first(
            "order", table({"ram:LineID": token("order_line_ref"), "ram:IssuerAssignedID": token("order_number")})
        ),
        "ram:GrossPriceProductTradePrice": flat(
            table(
                {
                    "ram:ChargeAmount": price("price_gross"),
                    "ram:BasisQuantity": quantity("_gross_per", "_gross_unit", positive=True),
                    "ram:AppliedTradeAllowanceCharge": _price_allowance,
                }
            )
        ),
        "ram:NetPriceProductTradePrice": flat(
            table(
                {
                    "ram:ChargeAmount": price("price"),
                    "ram:BasisQuantity": quantity("price_per", "price_unit", positive=True),
                }
            )
        ),
    }
)
_LINE_DELIVERY = table(
    {
        "ram:BilledQuantity": quantity("quantity", "unit"),
        "ram:ReceivingAdviceReferencedDocument": number_of("receipt_number"),
        "ram:ActualDeliverySupplyChainEvent": flat_first("event", table({"ram:OccurrenceDateTime": day("service_on")})),
    }
)
_PERIOD = table({"ram:StartDateTime": day("period_from"), "ram:EndDateTime": day("period_to")})
_LINE_SETTLEMENT = table(
    {
        "ram:ApplicableTradeTax": flat_first("tax", table(CATEGORY)),
        "ram:BillingSpecifiedPeriod": flat_first("period", _PERIOD),
        "ram:SpecifiedTradeAllowanceCharge": group("allowances", ALLOWANCE, build.allowance_of, "many"),
        "ram:SpecifiedTradeSettlementLineMonetarySummation": flat(table({"ram:LineTotalAmount": amount("amount")})),
        "ram:AdditionalReferencedDocument": line_object,
        "ram:ReceivableSpecifiedTradeAccountingAccount": flat_first("account", table({"ram:ID": text("cost_centre")})),
    }
)
_LINE = table(
    {
        "ram:AssociatedDocumentLineDocument": flat(_LINE_DOCUMENT),
        "ram:SpecifiedTradeProduct": flat(_PRODUCT),
        "ram:SpecifiedLineTradeAgreement": flat(_LINE_AGREEMENT),
        "ram:SpecifiedLineTradeDelivery": flat(_LINE_DELIVERY),
        "ram:SpecifiedLineTradeSettlement": flat(_LINE_SETTLEMENT),
    }
)


def _line(facts: Facts, element: Element, source: Source) -> InvoiceLine:
    """One line. The base quantity may stand with the net price or with the gross price; the net price's counts."""
    per, unit = facts.pop("_gross_per", None), facts.pop("_gross_unit", None)
    if per is not None:
        if per != facts.setdefault("price_per", per):
            source.extra[source.pointer(element) + _GROSS_PER] = plain(per)
        if unit is not None and unit != facts.setdefault("price_unit", unit):
            source.extra[source.pointer(element) + _GROSS_PER + "/@unitCode"] = unit
    role = facts.pop("role", None)
    if role in ("GROUP", "INFORMATION"):
        facts["informative"] = True
    elif role not in (None, "DETAIL"):
        source.extra[source.pointer(element) + "/ram:LineStatusReasonCode"] = role
    return build.line_of(facts, element, source)


_GROSS_PER = "/ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:BasisQuantity"


# The document.

_MEANS = table(
    {
        "ram:TypeCode": token("code"),
        "ram:Information": text("name", "join"),
        "ram:ApplicableTradeSettlementFinancialCard": group(
            "card", table({"ram:ID": token("number"), "ram:CardholderName": text("holder")}), build.card_of
        ),
        "ram:PayerPartyDebtorFinancialAccount": flat(table({"ram:IBANID": token("debited_account")})),
        "ram:PayeePartyCreditorFinancialAccount": group(
            "account",
            table(
                {
                    "ram:IBANID": token("account"),
                    "ram:ProprietaryID": token("account", "first"),
                    "ram:AccountName": text("holder"),
                }
            ),
            build.account_of,
        ),
        "ram:PayeeSpecifiedCreditorFinancialInstitution": flat(table({"ram:BICID": token("institution")})),
    }
)
_AGREEMENT = table(
    {
        "ram:BuyerReference": text("buyer_reference"),
        "ram:SellerTradeParty": party("supplier"),
        "ram:BuyerTradeParty": party("buyer"),
        "ram:SellerTaxRepresentativeTradeParty": party("tax_representative"),
        "ram:SellerOrderReferencedDocument": number_of("sales_order"),
        "ram:BuyerOrderReferencedDocument": number_of("order_numbers", many=True),
        "ram:ContractReferencedDocument": number_of("contract"),
        "ram:AdditionalReferencedDocument": additional_document,
        "ram:SpecifiedProcuringProject": flat_first(
            "project", table({"ram:ID": token("project"), "ram:Name": fixed("Project reference")})
        ),
    }
)
_DELIVERY = table(
    {
        "ram:ShipToTradeParty": group("ship_to", SHIP_TO, repeat="first"),
        "ram:ActualDeliverySupplyChainEvent": flat_first(
            "event", table({"ram:OccurrenceDateTime": day("delivered_on")})
        ),
        "ram:DespatchAdviceReferencedDocument": number_of("despatch_numbers", many=True),
        "ram:ReceivingAdviceReferencedDocument": number_of("receipt_numbers", many=True),
    }
)
_SETTLEMENT = table(
    {
        "ram:CreditorReferenceID": token("creditor_id"),
        "ram:PaymentReference": token("payment_reference"),
        "ram:TaxCurrencyCode": token("tax_currency"),
        "ram:InvoiceCurrencyCode": token("currency"),
        "ram:PayeeTradeParty": party("payee"),
        "ram:SpecifiedTradeSettlementPaymentMeans": group("payment_means", _MEANS, build.means_of, "many"),
        "ram:ApplicableTradeTax": trade_tax,
        "ram:BillingSpecifiedPeriod": flat_first("period", _PERIOD),
        "ram:SpecifiedTradeAllowanceCharge": group("charges", ALLOWANCE, build.allowance_of, "many"),
        "ram:SpecifiedTradePaymentTerms": flat(
            table(
                {
                    "ram:Description": text("payment_terms", "join"),
                    "ram:DueDateDateTime": flat_first("due", table({"udt:DateTimeString": day_102("due_on")})),
                    "ram:DirectDebitMandateID": token("mandate", "first"),
                }
            )
        ),
        "ram:SpecifiedTradeSettlementHeaderMonetarySummation": flat(
            table(
                {
                    "ram:LineTotalAmount": amount("lines_total"),
                    "ram:ChargeTotalAmount": amount("charges_total"),
                    "ram:AllowanceTotalAmount": amount("allowances_total"),
                    "ram:TaxBasisTotalAmount": amount("net"),
                    "ram:TaxTotalAmount": money("tax_totals"),
                    "ram:RoundingAmount": amount("rounding"),
                    "ram:GrandTotalAmount": amount("gross"),
                    "ram:TotalPrepaidAmount": amount("prepaid"),
                    "ram:DuePayableAmount": amount("payable"),
                }
            )
        ),
        "ram:InvoiceReferencedDocument": group(
            "originals",
            table(
                {
                    "ram:IssuerAssignedID": token("number"),
                    "ram:FormattedIssueDateTime": day("issued_on", "qdt:DateTimeString"),
                }
            ),
            build.reference_of,
            "many",
        ),
        "ram:ReceivableSpecifiedTradeAccountingAccount": flat_first(
            "account", table({"ram:ID": text("accounting_reference")})
        ),
        "ram:SpecifiedAdvancePayment": group(
            "payments",
            table(
                {
                    "ram:PaidAmount": amount("amount"),
                    "ram:FormattedReceivedDateTime": day("received_on", "qdt:DateTimeString"),
                }
            ),
            build.advance_of,
            "many",
        ),
    }
)
_DOCUMENT = table(
    {
        "rsm:ExchangedDocumentContext": flat(
            table(
                {
                    "ram:BusinessProcessSpecifiedDocumentContextParameter": flat_first(
                        "process", table({"ram:ID": text("profile")})
                    ),
                    "ram:GuidelineSpecifiedDocumentContextParameter": flat_first(
                        "guideline", table({"ram:ID": text("customization")})
                    ),
                }
            )
        ),
        "rsm:ExchangedDocument": flat(
            table(
                {
                    "ram:ID": token("number", longest=LONGEST_NUMBER),
                    "ram:TypeCode": token("type_code"),
                    "ram:IssueDateTime": day("issued_on"),
                    "ram:IncludedNote": notes("notes", joined=False),
                }
            )
        ),
        "rsm:SupplyChainTradeTransaction": flat(
            table(
                {
                    "ram:IncludedSupplyChainTradeLineItem": group("lines", _LINE, _line, "many"),
                    "ram:ApplicableHeaderTradeAgreement": flat(_AGREEMENT),
                    "ram:ApplicableHeaderTradeDelivery": flat(_DELIVERY),
                    "ram:ApplicableHeaderTradeSettlement": flat(_SETTLEMENT),
                }
            )
        ),
    }
)
