"""MatchBench cases: a parsed TOML table becomes documents, a history and what is expected of it.

The format is the benchmark's; our canonical objects are the same as everywhere, so a case runs through the engine that
decides in production. Reading a file from disk is the caller's (`cli/match.py`). Whatever is not of the format is
`CaseInvalid`, naming the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from tripartite.core.matching.casetable import CaseInvalid, Table
from tripartite.core.matching.evidence import CompanyFacts, ContractFacts, SupplierFacts
from tripartite.core.matching.policy import MatchPolicy, PolicyInvalid, policy_from_table
from tripartite.core.matching.replay import History
from tripartite.core.matching.result import MatchResult
from tripartite.core.money import Amount, Price, Rate
from tripartite.core.objects import (
    Allowance,
    BankAccount,
    ExchangeRate,
    Invoice,
    InvoiceLine,
    Order,
    OrderCharge,
    OrderLine,
    PriceVersion,
    Receipt,
    ReceiptLine,
    ScaleStep,
    TaxCode,
    TaxSubtotal,
    Withholding,
)
from tripartite.core.quantity import Conversion, Quantity

_CURRENCY = re.compile(r"[A-Z]{3}\Z")

KINDS = {"credit": "credit_memo"}


class Expectation:
    """What a case says is right about one invoice. `reasons`: (code, line) -> variance, None where not measured."""

    def __init__(self, table: Table) -> None:
        self.invoice = table.text("invoice")
        self.verdict = table.text("verdict", among=("post", "park", "hold", "reject"))
        self.payable_now: Decimal = table.decimal("payable_now")
        self.money_at_risk: Decimal = table.decimal("money_at_risk")
        self.reasons: dict[tuple[str, int], Decimal | None] = {}
        for one in table.tables("reason"):
            self.reasons[one.text("code"), one.whole("line")] = one.decimal("variance", None)
            one.done()
        table.done()


class Case:
    """One case: its documents by id, its events in order, and what is expected."""

    def __init__(self, parsed: dict[str, Any]) -> None:
        top = Table(parsed, "case")
        self.id = top.text("id")
        self.title = top.text("title", "")
        self.rule = top.text("rule", "")
        top.texts("tags")
        top.text("notes", "")
        self.policy = _policy(top)
        self.orders: list[tuple[str, Order]] = [_order(one) for one in top.tables("order")]
        self.receipts = [_receipt(one) for one in top.tables("receipt")]
        self.invoices = [_invoice(one) for one in top.tables("invoice")]
        self.taxes = [_tax(one) for one in top.tables("tax")]
        self.conversions = [_conversion(one) for one in top.tables("conversion")]
        self.exchange = [_rate(one) for one in top.tables("rate")]
        suppliers = top.tables("supplier")
        self.suppliers = [_supplier(one) for one in suppliers] if suppliers else None
        self.companies = [_company(one) for one in top.tables("company")]
        self.contracts = [_contract(one) for one in top.tables("contract")]
        self.expectations = [Expectation(one) for one in top.tables("expect")]
        self.events = self._events(top.tables("event"))
        days = [arrived if invoice.issued_on is None else invoice.issued_on for _, invoice, arrived in self.invoices]
        self.as_of: date = top.day("as_of", max(days, default=date.min))
        top.done()

    def _events(self, tables: list[Table]) -> list[tuple[str, str]]:
        if not tables:
            return [
                *(("order", one) for one, _ in self.orders),
                *(("receipt", one) for one, _ in self.receipts),
                *(("invoice", one) for one, _, _ in self.invoices),
            ]
        events = []
        for one in tables:
            events.append((one.text("kind", among=("order", "receipt", "invoice", "pay")), one.text("id")))
            one.done()
        known = {
            "order": {one for one, _ in self.orders},
            "receipt": {one for one, _ in self.receipts},
            "invoice": {one for one, _, _ in self.invoices},
        }
        known["pay"] = known["invoice"]
        for number, (kind, identity) in enumerate(events, 1):
            if identity not in known[kind]:
                raise CaseInvalid(f"case.event[{number}].id: no {kind} {identity!r} in this case")
        return events

    def play(self, *, fast: bool = True) -> dict[str, MatchResult]:
        """The state after the last event, by invoice id."""
        return self.history(fast=fast).results

    def history(self, *, fast: bool = True) -> History:
        """Everything that is known after the last event, with its results."""
        history = History(
            self.as_of,
            policy_of=lambda _bill: self.policy,
            suppliers=self.suppliers,
            companies=self.companies,
            taxes=self.taxes,
            conversions=self.conversions,
            exchange=self.exchange,
            contracts=self.contracts,
            fast=fast,
        )
        # Without events a table that stands twice under one id is two documents, unless it says the same.
        orders = _by_id(self.orders)
        receipts = _by_id(self.receipts)
        invoices = _by_id([(one, (invoice, arrived)) for one, invoice, arrived in self.invoices])
        turn: dict[tuple[str, str], int] = {}
        for kind, identity in self.events:
            place = turn.get((kind, identity), 0)
            turn[kind, identity] = place + 1
            if kind == "pay":
                history.pay(identity)
                continue
            versions: list[Any] = {"order": orders, "receipt": receipts, "invoice": invoices}[kind][identity]
            if place >= len(versions):
                continue
            name = identity if place == 0 else f"{identity}#{place + 1}"
            if kind == "order":
                history.order(name, versions[place])
            elif kind == "receipt":
                history.receipt(name, versions[place])
            else:
                history.invoice(name, *versions[place])
        return history


def _by_id(documents: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for identity, document in documents:
        known = found.setdefault(identity, [])
        if document not in known:
            known.append(document)
    return found


def _policy(top: Table) -> MatchPolicy:
    table = top.take("policy", {})
    if not isinstance(table, dict):
        raise CaseInvalid("case.policy: expected a table")
    try:
        return policy_from_table(table)
    except PolicyInvalid as error:
        raise CaseInvalid(f"case.{error}") from None


def _number(kind: Callable[[Decimal], Any], value: Decimal | None) -> Any:
    return None if value is None else kind(value)


def _currency(table: Table, key: str = "currency") -> str:
    value = table.text(key)
    if _CURRENCY.match(value) is None:
        raise CaseInvalid(f"{table.place}.{key}: {value[:8]!r} is not a currency code")
    return value


def _order(table: Table) -> tuple[str, Order]:
    number = table.text("number")
    identity = table.text("id", number)
    charges = []
    for one in table.tables("charge"):
        charges.append(
            OrderCharge(one.text("kind"), Amount(one.decimal("amount")), one.whole("line", 0), one.text("supplier", ""))
        )
        one.done()
    order = Order(
        number,
        _currency(table),
        version=table.whole("version", 1),
        supplier_id=table.text("supplier"),
        issued_on=table.day("date"),
        status=cast(Any, table.text("status", "open", ("open", "draft", "closed", "cancelled"))),
        contract=table.text("contract", ""),
        prices_include_tax=table.truth("prices_include_tax"),
        retention_percent=_number(Rate, table.decimal("retention_percent", None)),
        prepayment_percent=_number(Rate, table.decimal("prepayment_percent", None)),
        lines=tuple(_order_line(one) for one in table.tables("line")),
        charges=tuple(charges),
    )
    table.done()
    return identity, order


def _order_line(table: Table) -> OrderLine:
    versions = []
    for one in table.tables("price_version"):
        versions.append(PriceVersion(one.day("valid_from"), Price(one.decimal("price"))))
        one.done()
    scale = []
    for one in table.tables("scale"):
        scale.append(ScaleStep(Quantity(one.decimal("from")), Price(one.decimal("price"))))
        one.done()
    over: Any = table.take("over_percent", "0")
    if over != "unlimited":
        over = format(table.decimal("over_percent", Decimal(0)), "f")
    per: Decimal = table.decimal("price_per", Decimal(1))
    if per <= 0:
        raise CaseInvalid(f"{table.place}.price_per: must be above zero")
    line = OrderLine(
        table.whole("line"),
        item=table.text("item"),
        supplier_item=table.text("supplier_item", ""),
        gtin=table.text("gtin", ""),
        quantity=_number(Quantity, table.decimal("quantity", None)),
        unit=table.text("unit", "EA"),
        price=_number(Price, table.decimal("price", None)),
        # The benchmark allows a price per part of a unit; the engine computes with any exact number here.
        price_per=int(per) if per == int(per) else cast(int, per),
        price_unit=table.text("price_unit", ""),
        nominal=_number(Quantity, table.decimal("nominal", None)),
        discount_percent=_number(Rate, table.decimal("discount_percent", None)),
        match=cast(
            Any,
            table.text(
                "match",
                "three_way",
                ("two_way", "three_way", "four_way", "service", "limit", "ers", "consignment"),
            ),
        ),
        basis=cast(Any, table.text("basis", "order", ("order", "receipt"))),
        over_percent=over,
        under_percent=format(table.decimal("under_percent", Decimal(0)), "f"),
        tax_codes=table.texts("tax_codes"),
        due_on=table.day("due", None),
        status=cast(Any, table.text("status", "open", ("open", "closed", "cancelled"))),
        price_date=cast(Any, table.text("price_date", "order", ("order", "receipt", "invoice"))),
        price_versions=tuple(versions),
        scale_mode=cast(Any, table.text("scale_mode", "", ("graduated", "by_ordered"))),
        scale=tuple(scale),
        limit=_number(Amount, table.decimal("limit", None)),
        release_limit=_number(Amount, table.decimal("release_limit", None)),
        valid_from=table.day("valid_from", None),
        valid_to=table.day("valid_to", None),
    )
    table.done()
    return line


def _receipt(table: Table) -> tuple[str, Receipt]:
    number = table.text("number")
    identity = table.text("id", number)
    lines = []
    for place, one in enumerate(table.tables("line"), 1):
        lines.append(
            ReceiptLine(
                one.text("order"),
                one.whole("order_line"),
                Quantity(one.decimal("quantity")),
                one.text("unit", ""),
                place,
                _number(Quantity, one.decimal("accepted", None)),
                _number(Quantity, one.decimal("price_quantity", None)),
                one.text("receipt", ""),
            )
        )
        one.done()
    kinds = ("receipt", "return", "reversal", "withdrawal", "service_entry")
    receipt = Receipt(
        number, cast(Any, table.text("kind", "receipt", kinds)), posted_on=table.day("date"), lines=tuple(lines)
    )
    table.done()
    return identity, receipt


def _invoice(table: Table) -> tuple[str, Invoice, date]:
    number = table.text("number")
    identity = table.text("id", number)
    day: date = table.day("date")
    arrived: date = table.day("arrived", day)
    kinds = ("invoice", "self_billed", "credit", "subsequent_debit", "subsequent_credit", "prepayment")
    kind = table.text("kind", "invoice", kinds)
    taxes, withheld, charges = [], [], []
    for one in table.tables("taxes"):
        taxes.append(TaxSubtotal(Amount(one.decimal("amount")), one.text("code")))
        one.done()
    for one in table.tables("withholding"):
        withheld.append(Withholding(one.text("code"), Amount(one.decimal("amount"))))
        one.done()
    for one in table.tables("charge"):
        charges.append(
            Allowance(
                Amount(one.decimal("amount")),
                one.text("kind"),
                tax_codes=one.texts("tax_codes"),
                order_number=one.text("order", ""),
                line=one.whole("line"),
            )
        )
        one.done()
    account = table.text("remit_to", "")
    invoice = Invoice(
        number,
        cast(Any, KINDS.get(kind, kind)),
        _currency(table),
        day,
        company_code=table.text("company"),
        supplier_id=table.text("supplier"),
        order_numbers=table.texts("orders"),
        original=table.text("original", ""),
        replaces=table.text("replaces", ""),
        rate=_number(Rate, table.decimal("rate", None)),
        remit_to=BankAccount(account) if account else None,
        prices_include_tax=table.truth("prices_include_tax"),
        discount_percent=_number(Rate, table.decimal("discount_percent", None)),
        discount_days=table.whole("discount_days", None),
        net=Amount(table.decimal("net")),
        tax=Amount(table.decimal("tax")),
        gross=Amount(table.decimal("gross")),
        lines=tuple(_invoice_line(one) for one in table.tables("line")),
        charges=tuple(charges),
        taxes=tuple(taxes),
        withholding=tuple(withheld),
    )
    table.done()
    return identity, invoice, arrived


def _invoice_line(table: Table) -> InvoiceLine:
    per: Decimal | None = table.decimal("price_per", None)
    if per is not None and per <= 0:
        raise CaseInvalid(f"{table.place}.price_per: must be above zero")
    line = InvoiceLine(
        table.whole("line"),
        order_number=table.text("order", ""),
        order_line=table.whole("order_line", None),
        item=table.text("item", ""),
        quantity=_number(Quantity, table.decimal("quantity", None)),
        unit=table.text("unit", ""),
        price=_number(Price, table.decimal("price", None)),
        price_per=_number(Quantity, per),
        price_quantity=_number(Quantity, table.decimal("price_quantity", None)),
        discount_percent=_number(Rate, table.decimal("discount_percent", None)),
        amount=Amount(table.decimal("amount")),
        tax_codes=table.texts("tax_codes"),
        receipt_number=table.text("receipt", ""),
        service_on=table.day("service_date", None),
        final=table.truth("final"),
    )
    table.done()
    return line


def _tax(table: Table) -> TaxCode:
    kinds = ("normal", "reverse_charge", "exempt", "withholding")
    code = TaxCode(table.text("code"), Rate(table.decimal("rate")), cast(Any, table.text("kind", "normal", kinds)))
    table.done()
    return code


def _conversion(table: Table) -> Conversion:
    ratio = Fraction(table.decimal("numerator")), Fraction(table.decimal("denominator"))
    if ratio[0] <= 0 or ratio[1] <= 0:
        raise CaseInvalid(f"{table.place}: a conversion must be above zero")
    exact = ratio[0] / ratio[1]
    conversion = Conversion(
        table.text("from"), table.text("to"), exact.numerator, exact.denominator, table.text("item", "")
    )
    table.done()
    return conversion


def _rate(table: Table) -> ExchangeRate:
    rate = ExchangeRate(
        _currency(table, "from"), _currency(table, "to"), table.day("date"), Rate(table.decimal("rate"))
    )
    table.done()
    return rate


def _supplier(table: Table) -> SupplierFacts:
    account = table.text("bank", "")
    facts = SupplierFacts(
        table.text("id"),
        table.text("status", "active", ("active", "inactive", "blocked")),
        table.text("tax_id", ""),
        (account,) if account else (),
        table.text("withholding", ""),
        table.decimal("invoice_limit", None),
    )
    table.done()
    return facts


def _company(table: Table) -> CompanyFacts:
    facts = CompanyFacts(table.text("id"), _currency(table))
    table.done()
    return facts


def _contract(table: Table) -> ContractFacts:
    prices = Table(table.take("prices", {}), f"{table.place}.prices")
    facts = ContractFacts(
        table.text("number"),
        table.text("supplier"),
        table.day("valid_from"),
        table.day("valid_to"),
        table.decimal("max_amount", None),
        {item: prices.decimal(item) for item in prices.values},
    )
    table.done()
    return facts
