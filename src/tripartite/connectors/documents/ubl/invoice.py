"""UBL Invoice, CreditNote, SelfBilledInvoice and SelfBilledCreditNote -> the canonical invoice.

Business terms (BT, BG) as EN 16931-3-2 binds them to UBL. UBL 2.0 and 2.1 share their namespaces and are read by the
same tables. Sub-lines and third-party payments are those of the XRechnung extension.
"""

from __future__ import annotations

from lxml.etree import _Element as Element

from tripartite.connectors.documents import build
from tripartite.connectors.documents.source import Facts, Node, Source, walk
from tripartite.connectors.documents.tables import (
    LONGEST_NUMBER,
    amount,
    day,
    flat,
    flat_first,
    group,
    identifier,
    money,
    price,
    quantity,
    text,
    token,
)
from tripartite.connectors.documents.ubl.common import (
    ADDRESS,
    ALLOWANCE,
    DATED_REFERENCE,
    ITEM,
    PERIOD,
    SUBTOTAL,
    additional_document,
    first_reference,
    line_document,
    party,
    price_allowance,
    reference,
    supplier_party,
    table,
    wrapped_party,
)
from tripartite.core.objects import Identifier, Invoice, InvoiceKind
from tripartite.core.objects.invoice import PaymentMeans


def invoice_from(root: Element, otherwise: InvoiceKind, source: Source) -> Invoice:
    """The canonical invoice that `root` says; `otherwise` is the kind its root stands for. Errors: `XmlRefused`."""
    facts: Facts = {}
    walk(root, _DOCUMENT, facts, source)
    place = source.pointer(root)
    stated = facts.get("currency", "")
    currency = facts["currency"] = source.settle_currency(stated, f"{place}/cbc:DocumentCurrencyCode")
    totals = facts.pop("tax_totals", [])
    facts.update(build.settle_tax_totals(totals, currency, facts.get("tax_currency", ""), source))
    means: list[tuple[PaymentMeans, Facts, Element]] = facts.pop("means", [])
    facts["payment_means"] = [_settled_means(entry, facts, source) for entry in means]
    return build.invoice_of(facts, otherwise, place, source)


# Payment.


def _means(facts: Facts, element: Element, source: Source) -> tuple[PaymentMeans, Facts, Element]:
    """One way to pay, and what UBL says beside it though it belongs to the document."""
    aside: Facts = {key: facts.pop(key) for key in ("reference", "mandate", "due_on") if key in facts}
    return build.means_of(facts, element, source), aside, element


def _settled_means(entry: tuple[PaymentMeans, Facts, Element], facts: Facts, source: Source) -> PaymentMeans:
    """Reference, mandate and due date stand once per document; one that differs stays with its means or in `extra`."""
    means, aside, element = entry
    reference_ = aside.get("reference", "")
    if reference_ and reference_ != facts.setdefault("payment_reference", reference_):
        means = PaymentMeans(means.code, means.name, means.account, means.card, means.debited_account, reference_)
    mandate = aside.get("mandate", "")
    if mandate and mandate != facts.setdefault("mandate", mandate):
        source.extra[source.pointer(element) + "/cac:PaymentMandate/cbc:ID"] = mandate
    due_on = aside.get("due_on")
    if due_on is not None and due_on != facts.setdefault("due_on", due_on):
        source.extra[source.pointer(element) + "/cbc:PaymentDueDate"] = due_on.isoformat()
    return means


def _means_code(element: Element, facts: Facts, source: Source) -> None:
    name = element.get("name")
    if name:
        facts["name"] = name
    source.attributes(element, [entry for entry in element.items() if entry[0] != "name"])
    if len(element):
        source.refuse("intake.ambiguous", element, "a comment, instruction or element inside a value")
    if "code" in facts:
        source.refuse("intake.ambiguous", element, "stands twice, and may stand once")
    facts["code"] = (element.text or "").strip()


_ACCOUNT = table(
    {
        "cbc:ID": token("account"),
        "cbc:Name": text("holder"),
        "cac:FinancialInstitutionBranch": flat(table({"cbc:ID": token("institution")})),
    }
)
_MEANS = table(
    {
        "cbc:PaymentMeansCode": _means_code,
        "cbc:PaymentDueDate": day("due_on"),
        "cbc:PaymentID": token("reference", "first"),
        "cac:PayeeFinancialAccount": group("account", _ACCOUNT, build.account_of),
        "cac:CardAccount": group(
            "card",
            table({"cbc:PrimaryAccountNumberID": token("number"), "cbc:HolderName": text("holder")}),
            build.card_of,
        ),
        "cac:PaymentMandate": flat(
            table(
                {
                    "cbc:ID": token("mandate"),
                    "cac:PayerFinancialAccount": flat(table({"cbc:ID": token("debited_account")})),
                }
            )
        ),
    }
)


# Taxes and totals.


def _tax_total(element: Element, facts: Facts, source: Source) -> None:
    """The tax total of the document's currency with its breakdown; of another currency the total alone (BT-111)."""
    stated = next((child.get("currencyID", "") for child in element if child.tag == _TAX_AMOUNT), "")
    rows = _TAX_TOTAL if stated == facts.get("currency", stated) else _FOREIGN_TAX_TOTAL
    walk(element, rows, facts, source)


_TAX_AMOUNT = next(iter(table({"cbc:TaxAmount": money("tax_totals")})))
_TAX_TOTAL = table(
    {
        "cbc:TaxAmount": money("tax_totals"),
        "cac:TaxSubtotal": group("taxes", SUBTOTAL, build.subtotal_of, "many"),
    }
)
_FOREIGN_TAX_TOTAL = table({"cbc:TaxAmount": money("tax_totals")})

_TOTALS = table(
    {
        "cbc:LineExtensionAmount": amount("lines_total"),
        "cbc:TaxExclusiveAmount": amount("net"),
        "cbc:TaxInclusiveAmount": amount("gross"),
        "cbc:AllowanceTotalAmount": amount("allowances_total"),
        "cbc:ChargeTotalAmount": amount("charges_total"),
        "cbc:PrepaidAmount": amount("prepaid"),
        "cbc:PayableRoundingAmount": amount("rounding"),
        "cbc:PayableAmount": amount("payable"),
    }
)


# Delivery and references.

_DELIVERY = table(
    {
        "cbc:ActualDeliveryDate": day("delivered_on"),
        "cac:DeliveryAddress": group("address", ADDRESS, build.address_of, "first"),
        "cac:DeliveryLocation": flat(
            table(
                {
                    "cbc:ID": identifier("location"),
                    "cac:Address": group("address", ADDRESS, build.address_of, "first"),
                }
            )
        ),
        "cac:DeliveryParty": flat_first(
            "DeliveryParty",
            table({"cac:PartyName": flat_first("PartyName", table({"cbc:Name": text("name")}))}),
        ),
    }
)
_ADVANCE = table(
    {
        "cbc:ID": token("type"),
        "cbc:PaidAmount": amount("amount"),
        "cbc:ReceivedDate": day("received_on"),
        "cbc:InstructionID": text("description"),
    }
)


# UBL demands an order number beside a sales order number. Who has none writes one of these.
_PLACEHOLDERS = frozenset(("NA", "N/A", "Dummywert"))


def _order_reference(element: Element, facts: Facts, source: Source) -> None:
    """The order (BT-13) and the sales order (BT-14). A placeholder for an order is no order, and is said as dropped."""
    inner: Facts = {}
    walk(element, _ORDER_REFERENCE, inner, source)
    stated, sales_order = inner.get("order", ""), inner.get("sales_order", "")
    if stated and stated in _PLACEHOLDERS and sales_order:
        source.dropped.add("cac:OrderReference/cbc:ID")
    elif stated:
        facts.setdefault("order_numbers", []).append(stated)
    if sales_order and sales_order != facts.setdefault("sales_order", sales_order):
        source.extra[source.pointer(element) + "/cbc:SalesOrderID"] = sales_order


_ORDER_REFERENCE = table({"cbc:ID": token("order"), "cbc:SalesOrderID": token("sales_order")})


def _uuid(element: Element, facts: Facts, source: Source) -> None:
    said: Facts = {}
    _UUID(element, said, source)
    if "uuid" in said:
        facts.setdefault("ids", []).append(Identifier(said["uuid"], "UUID"))


_UUID = token("uuid")


# Lines.

_ORDER_LINE = table(
    {
        "cbc:LineID": token("order_line_ref"),
        "cac:OrderReference": flat(table({"cbc:ID": token("order_number")})),
    }
)
_RECEIPT_LINE = table({"cac:DocumentReference": flat_first("receipt", table({"cbc:ID": token("receipt_number")}))})
_PRICE = table(
    {
        "cbc:PriceAmount": price("price"),
        "cbc:BaseQuantity": quantity("price_per", "price_unit", positive=True),
        "cac:AllowanceCharge": price_allowance,
    }
)
_LINE: dict[str, Node] = table(
    {
        "cbc:ID": token("line_id"),
        "cbc:Note": text("note", "join"),
        "cbc:InvoicedQuantity": quantity("quantity", "unit"),
        "cbc:CreditedQuantity": quantity("quantity", "unit"),
        "cbc:LineExtensionAmount": amount("amount"),
        "cbc:AccountingCost": text("cost_centre"),
        "cac:InvoicePeriod": flat_first("InvoicePeriod", PERIOD),
        "cac:OrderLineReference": flat_first("OrderLineReference", _ORDER_LINE),
        "cac:ReceiptLineReference": flat_first("ReceiptLineReference", _RECEIPT_LINE),
        "cac:DocumentReference": line_document,
        "cac:AllowanceCharge": group("allowances", ALLOWANCE, build.allowance_of, "many"),
        "cac:Item": flat(ITEM),
        "cac:Price": flat(_PRICE),
    }
)
# A line of the XRechnung extension is made of lines; the table knows itself.
_LINE |= table(
    {
        "cac:SubInvoiceLine": group("sub_lines", _LINE, build.line_of, "many"),
        "cac:SubCreditNoteLine": group("sub_lines", _LINE, build.line_of, "many"),
    }
)


# The document.

_DOCUMENT = table(
    {
        "cbc:CustomizationID": text("customization"),
        "cbc:ProfileID": text("profile"),
        "cbc:ID": token("number", longest=LONGEST_NUMBER),
        "cbc:UUID": _uuid,
        "cbc:IssueDate": day("issued_on"),
        "cbc:DueDate": day("due_on"),
        "cbc:InvoiceTypeCode": token("type_code"),
        "cbc:CreditNoteTypeCode": token("type_code"),
        "cbc:Note": text("notes", "many"),
        "cbc:TaxPointDate": day("tax_point_on"),
        "cbc:DocumentCurrencyCode": token("currency"),
        "cbc:TaxCurrencyCode": token("tax_currency"),
        "cbc:AccountingCost": text("accounting_reference"),
        "cbc:BuyerReference": text("buyer_reference"),
        "cac:InvoicePeriod": flat_first(
            "InvoicePeriod", PERIOD | table({"cbc:DescriptionCode": token("tax_point_code")})
        ),
        "cac:OrderReference": _order_reference,
        "cac:BillingReference": flat(
            table({"cac:InvoiceDocumentReference": group("originals", DATED_REFERENCE, build.reference_of, "many")})
        ),
        "cac:DespatchDocumentReference": reference("despatch_numbers"),
        "cac:ReceiptDocumentReference": reference("receipt_numbers"),
        "cac:OriginatorDocumentReference": first_reference("tender"),
        "cac:ContractDocumentReference": first_reference("contract"),
        "cac:AdditionalDocumentReference": additional_document,
        "cac:ProjectReference": first_reference("project"),
        "cac:AccountingSupplierParty": supplier_party("supplier"),
        "cac:AccountingCustomerParty": wrapped_party("buyer"),
        "cac:PayeeParty": party("payee"),
        "cac:TaxRepresentativeParty": party("tax_representative"),
        "cac:Delivery": group("deliveries", _DELIVERY, build.delivery_of, "many"),
        "cac:PaymentMeans": group("means", _MEANS, _means, "many"),
        "cac:PaymentTerms": flat(table({"cbc:Note": text("payment_terms", "join")})),
        "cac:PrepaidPayment": group("payments", _ADVANCE, build.advance_of, "many"),
        "cac:AllowanceCharge": group("charges", ALLOWANCE, build.allowance_of, "many"),
        "cac:TaxTotal": _tax_total,
        "cac:LegalMonetaryTotal": flat(_TOTALS),
        "cac:InvoiceLine": group("lines", _LINE, build.line_of, "many"),
        "cac:CreditNoteLine": group("lines", _LINE, build.line_of, "many"),
    }
)
