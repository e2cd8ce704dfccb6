"""From a document's facts to the question about its tax; and whether an answer is one to it.

The question's number is computed from its content: asked twice it is one question, and a fact that changes it (another
address, an amended order) makes another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tripartite.core.codec import encode
from tripartite.core.estate import Company
from tripartite.core.ids import digest
from tripartite.core.matching.billed import Bill
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.result import Pair
from tripartite.core.money import Amount, Money
from tripartite.core.objects import Address, Order, Supplier
from tripartite.core.objects.tax_quote import TaxQuestion, TaxQuestionLine, TaxQuote

LONGEST_NUMBER = 50  # what tax engines take as the number of a document
_DIGITS = 32


def question_number(question: TaxQuestion) -> str:
    """The number of a question: the company's code and a digest of the content, at most 41 characters."""
    return f"{question.company_code}-{digest(encode(question))[:_DIGITS]}"


def question_of(
    bill: Bill,
    book: Book,
    pairs: Iterable[Pair],
    orders: Mapping[str, Order],
    supplier: Supplier | None,
    company: Company,
) -> TaxQuestion:
    """The question about an invoice: net amounts rounded half-even to the minor unit, codes of the order line met.

    Where lines met no order line, or several that are taxed differently, the bill's own codes are asked for. Addresses:
    goods go to the delivery's, else the buyer's, else somewhere in the company's country; they come from the supplier
    as the bill states him, else as the master does.
    """
    doc = bill.doc
    numbers = bill.numbers(book)
    met: dict[int, set[tuple[str, ...]]] = {}
    for pair in pairs:
        order = orders.get(pair.order_number)
        codes = next((line.tax_codes for line in order.lines if line.line == pair.order_line), ()) if order else ()
        met.setdefault(pair.invoice_line, set()).add(codes)
    lines = []
    for line in numbers.lines:
        ordered = met.get(line.line, set())
        stated = next(iter(ordered)) if len(ordered) == 1 else ()
        lines.append(
            TaxQuestionLine(
                line=line.line,
                amount=Amount(Money.rounded(line.net_amount, doc.currency).decimal()),
                tax_codes=stated or line.codes,
                item=line.doc.item,
                description=line.doc.description[:200],
                quantity=line.doc.quantity,
            )
        )
    for charge in numbers.charges:
        lines.append(
            TaxQuestionLine(
                line=charge.line,
                amount=Amount(Money.rounded(charge.net_amount, doc.currency).decimal()),
                tax_codes=charge.codes,
                kind=charge.kind or "charge",
                description=charge.doc.reason[:200],
            )
        )
    return TaxQuestion(
        company_code=doc.company_code,
        currency=doc.currency,
        taxed_on=bill.tax_day,
        lines=tuple(lines),
        credit=bill.credit,
        supplier_id=doc.supplier_id,
        supplier_number=supplier.number if supplier else doc.supplier_number,
        supplier_tax_id=(doc.supplier.tax_id if doc.supplier else "") or (supplier.tax_id if supplier else ""),
        ship_from=(doc.supplier.address if doc.supplier else None) or (supplier.address if supplier else None),
        ship_to=_ship_to(bill, company),
        withholding=supplier.withholding if supplier and not bill.credit else "",
    )


def _ship_to(bill: Bill, company: Company) -> Address:
    delivered = next((each.address for each in bill.doc.deliveries if each.address is not None), None)
    found = delivered or (bill.doc.buyer.address if bill.doc.buyer else None)
    # A delivery that does not say its country, and none at all, go to the company's own.
    return found if found is not None and found.country else Address(country=company.country)


def contradiction(question: TaxQuestion, quote: TaxQuote) -> str:
    """Why a quote is no answer to the question, in a sentence; empty where it is one.

    It must be about the same currency, direction and lines at the same net, and tax where the goods come from or go to.
    """
    if quote.currency != question.currency:
        return f"it reckons in {quote.currency}, the document is in {question.currency}"
    if quote.credit != question.credit:
        return "it goes in the other direction"
    asked = {line.line: line.amount for line in question.lines}
    answered = {line.line: line.amount for line in quote.lines}
    if asked != answered:
        return f"it is about {_sums(answered)}, asked for {_sums(asked)}"
    if {tax.line for tax in quote.taxes} - set(asked):
        return "it taxes a line that was not asked for"
    places = [each for each in (question.ship_from, question.ship_to) if each is not None]
    countries = {each.country for each in places if each.country}
    for tax in quote.taxes:
        if tax.country and countries and tax.country not in countries:
            return f"it taxes in {tax.country}, the goods move between {' and '.join(sorted(countries))}"
        regions = {each.subdivision for each in places if each.country == tax.country and each.subdivision}
        if tax.region and regions and tax.region not in regions and tax.region != tax.country:
            return f"it taxes in {tax.country}-{tax.region}, the goods move in {', '.join(sorted(regions))}"
    return ""


def _sums(lines: Mapping[int, Amount]) -> str:
    return ", ".join(f"line {line}: {amount}" for line, amount in sorted(lines.items())) or "no line"
