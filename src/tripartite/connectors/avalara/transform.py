"""AvaTax's words and ours: a tax question becomes a PurchaseOrder transaction, its answer a tax quote. Pure.

A quote's number begins with our company code (core/tax/ask.py), so the answer says by itself whose it is. Their tax
codes say what an article is, ours say how a line is taxed: what Avalara answers names no code of ours.

Dropped on purpose: totals but `totalTax` (the lines say the same), exemptions and rule ids, addresses as they were
resolved, summary (the lines' details say it per line), input-tax recoverability (the ERP's business).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from tripartite.connectors.avalara import wire
from tripartite.core import codec
from tripartite.core.money import CURRENCIES, Amount, NumberInvalid, Rate
from tripartite.core.objects import Address, QuotedLine, QuotedTax, TaxQuestion, TaxQuote
from tripartite.runtime.protocol import Raw, Read, Reader, ReadResult, Unreadable, Unwritable, Writer

DOCUMENT_TYPE = "PurchaseOrder"
# The life of a document there. A quote is never more than `Temporary`; anything else would stand in a tax return.
STATUSES = {"Temporary": True, "Saved": False, "Posted": False, "Committed": False, "Cancelled": False}
STATUSES |= {"Adjusted": False, "Queued": False, "PendingApproval": False, "Uncommitted": False}
# taxType by which a buyer assesses tax himself, and takes it back where he may: no part of the bill.
_OUTPUT, _INPUT = frozenset({"Output"}), frozenset({"Input"})
_NUMBER = re.compile(r"([A-Z0-9]{2,8})-[0-9a-f]{32}\Z")
_LONGEST = 50
GOODS, FREIGHT = "P0000000", "FR020100"  # tangible personal property; shipping by common carrier
ENGINE = "avalara"


class _Wrong(Exception):
    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = Unreadable(code, pointer, detail, "avalara.transaction")


# Writing


def write_question(number: str, question: TaxQuestion, settings: Mapping[str, str]) -> wire.CreateTransaction:
    """The transaction that asks. A credit memo is asked with negative amounts, as AvaTax wants it.

    Errors: `Unwritable` where Avalara has no place for a value: a company without a code there, nowhere to ship to.
    """
    company = _pairs(settings.get("company_map", "")).get(question.company_code, question.company_code)
    vendor = question.supplier_number or question.supplier_id
    for value, pointer in ((company, "/company_code"), (vendor, "/supplier_number"), (number, "/number")):
        if not 0 < len(value) <= _LONGEST:
            raise Unwritable("intake.value_out_of_range", pointer, f"Avalara takes 1 to {_LONGEST} characters here")
    if question.ship_to is None or not question.ship_to.country:
        raise Unwritable("intake.value_out_of_range", "/ship_to", "Avalara reckons by where the goods go")
    sign = -1 if question.credit else 1
    codes = _pairs(settings.get("tax_codes", ""))
    ship_to = _place(question.ship_to)
    ship_from = _place(question.ship_from) if question.ship_from and question.ship_from.country else None
    return wire.CreateTransaction(
        type=DOCUMENT_TYPE,
        companyCode=company,
        code=number,
        date=question.taxed_on.isoformat(),
        customerCode=vendor,
        currencyCode=question.currency,
        commit=False,
        businessIdentificationNo=question.supplier_tax_id[:25],
        addresses=wire.Places(ship_from, ship_to) if ship_from else wire.Places(singleLocation=ship_to),
        lines=tuple(
            wire.Item(
                number=str(line.line),
                amount=sign * Decimal(line.amount),
                quantity=Decimal(line.quantity) if line.quantity is not None else None,
                taxCode=_tax_code(line.kind, line.tax_codes, codes),
                itemCode=line.item[:_LONGEST],
                description=line.description,
            )
            for line in question.lines
        ),
    )


def _tax_code(kind: str, ours: tuple[str, ...], codes: Mapping[str, str]) -> str:
    """Their code of a line: by setting for our tax code, then for the kind; else goods, or freight for freight."""
    for word in (*ours, kind):
        if word in codes:
            return codes[word]
    return FREIGHT if kind == "freight" else GOODS


def _place(address: Address) -> wire.Place:
    lines = (*address.lines, "", "", "")
    return wire.Place(
        line1=lines[0],
        line2=lines[1],
        line3=lines[2],
        city=address.city,
        region=address.subdivision.removeprefix(f"{address.country}-"),
        country=address.country,
        postalCode=address.postal_code,
    )


def _pairs(text: str) -> dict[str, str]:
    """`ours=theirs, ours=theirs` of a setting."""
    parts = (part.partition("=") for part in text.split(",") if part.strip())
    return {ours.strip(): theirs.strip() for ours, _, theirs in parts}


# Reading


def read_quote(raw: Raw) -> Read:
    """A transaction as a quote. Never raises for what it says; a document that is recorded there is no quote."""
    try:
        found = codec.read_strict(raw.content, wire.Transaction)
        return ReadResult("tax_quote", _quote(found), format="avalara.transaction")
    except codec.Malformed as error:
        return Unreadable(error.reason_code, error.pointer, error.detail, "avalara.transaction")
    except _Wrong as wrong:
        return wrong.answer


def _quote(found: wire.Transaction) -> TaxQuote:
    named = _NUMBER.match(found.code)
    if named is None:
        raise _Wrong("integration.schema_violated", "/code", f"{found.code[:60]!r} is no number of a question of ours")
    if found.type != DOCUMENT_TYPE:
        raise _Wrong("integration.schema_violated", "/type", f"a quote is a {DOCUMENT_TYPE}, not {found.type[:40]!r}")
    if not STATUSES.get(found.status, False):
        raise _Wrong("integration.schema_violated", "/status", f"the status {found.status[:40]!r} is not a quote's")
    if found.currencyCode not in CURRENCIES:
        raise _Wrong("intake.value_out_of_range", "/currencyCode", f"{found.currencyCode[:8]!r} is no ISO 4217 code")
    amounts = [_amount(line.lineAmount, f"/lines/{place}/lineAmount") for place, line in enumerate(found.lines)]
    credit = sum(amounts, Decimal(0)) < 0
    sign = -1 if credit else 1
    lines: list[QuotedLine] = []
    taxes: list[QuotedTax] = []
    for place, (line, amount) in enumerate(zip(found.lines, amounts, strict=True)):
        pointer = f"/lines/{place}"
        if not (line.lineNumber.isascii() and line.lineNumber.isdigit() and len(line.lineNumber) < 8):
            raise _Wrong("integration.schema_violated", f"{pointer}/lineNumber", "no line number of ours")
        number, tax = int(line.lineNumber), _amount(line.tax, f"{pointer}/tax")
        own = _taxes(number, line.details, pointer, sign)
        if sum((each.amount for each in own), Decimal(0)) != sign * tax:
            raise _Wrong("integration.schema_violated", f"{pointer}/tax", "the line's details do not add up to its tax")
        lines.append(QuotedLine(number, Amount(sign * amount), Amount(sign * tax)))
        taxes += own
    total = _amount(found.totalTax, "/totalTax")
    if sum((line.tax for line in lines), Decimal(0)) != sign * total:
        raise _Wrong("integration.schema_violated", "/totalTax", "the lines do not add up to the document's tax")
    return TaxQuote(
        number=found.code,
        company_code=named[1],
        currency=found.currencyCode,
        engine=ENGINE,
        engine_version=found.softwareVersion or "",
        taxed_on=_day(found.taxDate or found.date),
        as_of=_moment(found.modifiedDate),
        tax=Amount(sign * total),
        lines=tuple(lines),
        taxes=tuple(taxes),
        credit=credit,
        messages=tuple(each.summary for each in found.messages or () if each.summary),
    )


def _taxes(line: int, details: tuple[wire.Detail, ...], pointer: str, sign: int) -> list[QuotedTax]:
    """The taxes of a line. Output and Input that net to nothing are a reverse charge: the buyer's business alone."""
    found: list[QuotedTax] = []
    for place, detail in enumerate(details):
        here = f"{pointer}/details/{place}"
        found.append(
            QuotedTax(
                line=line,
                amount=Amount(sign * _amount(detail.tax, f"{here}/tax")),
                base=Amount(sign * _amount(detail.taxableAmount, f"{here}/taxableAmount")),
                rate=_percent(detail.rate, f"{here}/rate"),
                country=detail.country,
                region=detail.region or "",
                jurisdiction=" ".join(part for part in (detail.jurisType, detail.jurisName) if part),
                name=detail.taxName or detail.taxType,
            )
        )
    kinds = [detail.taxType for detail in details]
    output = [each for each, kind in zip(found, kinds, strict=True) if kind in _OUTPUT]
    both = [each for each, kind in zip(found, kinds, strict=True) if kind in _OUTPUT | _INPUT]
    if not output or len(both) == len(output) or sum((each.amount for each in both), Decimal(0)) != 0:
        return found
    rest = [each for each in found if each not in both]
    return [*rest, *(_reversed(each) for each in output)]


def _reversed(tax: QuotedTax) -> QuotedTax:
    return QuotedTax(
        line=tax.line,
        amount=Amount(0),
        base=tax.base,
        rate=Rate(0),
        kind="reverse_charge",
        country=tax.country,
        region=tax.region,
        jurisdiction=tax.jurisdiction,
        name=tax.name,
        assessed=tax.amount,
    )


def _amount(digits: wire.Digits, pointer: str) -> Amount:
    return Amount(_decimal(digits, pointer))


def _decimal(digits: wire.Digits, pointer: str) -> Decimal:
    text = bytes(digits).decode("ascii", "replace").strip('"')
    try:
        return Amount.parse(_plain(text)) if len(text) < 60 else Amount.parse(text)
    except NumberInvalid as error:
        raise _Wrong(error.reason_code, pointer, str(error)) from None


def _percent(digits: wire.Digits, pointer: str) -> Rate:
    """Their fraction as our percent, exactly."""
    text = bytes(digits).decode("ascii", "replace").strip('"')
    try:
        fraction = Rate.parse(_plain(text))
        return Rate.parse(_plain(format(fraction * 100, "f")))
    except NumberInvalid as error:
        raise _Wrong(error.reason_code, pointer, str(error)) from None


def _plain(text: str) -> str:
    """Without zeros behind the last digit that counts (their serialiser writes 14.5000000), and without minus zero."""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        raise _Wrong("intake.value_out_of_range", "/taxDate", f"{(text or '')[:40]!r} is no day") from None


def _moment(text: str | None) -> datetime | None:
    """When they reckoned, where they say so; a stamp that cannot be read is no stamp."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


READERS: dict[str, Reader] = {"tax_quote": read_quote}
WRITERS: dict[str, Writer] = {}
