"""Is the tax on the bill what the codes say, and are the codes the order's? Rule: S25. Withholding too.

Amounts in document currency. Rates are fractions of net; a base is exact, an expected tax is rounded once when stated.
Where a tax quote is at hand (`work.quote`) its figures are what is expected, and our own tables stand beside them.
"""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.billed import BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, exact, minor_part
from tripartite.core.matching.policy import within
from tripartite.core.matching.quoted import codes_of_line, expected_by_code, withheld
from tripartite.core.matching.state import Work
from tripartite.core.matching.totals import amount
from tripartite.core.objects.tax_quote import TaxQuote


def check_tax(work: Work, book: Book) -> None:
    """Per code: base x rate against the tax billed. Up to half a minor unit per line and charge is rounding; beyond it
    the tax bounds speak. Variance: billed - rounded expected, summed over codes, at line 0. With a quote the expected
    tax is the quote's, per code of the bill."""
    bill, limits = work.bill, work.limits
    numbers = bill.numbers(book)
    bases: dict[str, Fraction] = {}
    counts: dict[str, int] = {}
    parts = [(line.codes, line.net_amount) for line in numbers.lines]
    parts += [(charge.codes, charge.net_amount) for charge in numbers.charges]
    for codes, net in parts:
        for code in dict.fromkeys(codes):
            bases[code] = bases.get(code, ZERO) + net
            counts[code] = counts.get(code, 0) + 1
    half = minor_part(1, 2 * bill.minor_scale)
    all_expected = ZERO
    quote = work.quote
    quoted = expected_by_code(bill, numbers, quote) if quote is not None else {}
    for code in dict.fromkeys([*bases, *numbers.taxes, *quoted]):
        by_tables = bases.get(code, ZERO) * book.rate(code, bill.tax_day)
        expected = quoted.get(code, ZERO) if quote is not None else by_tables
        all_expected += expected
        billed = numbers.taxes.get(code, ZERO)
        difference = billed - expected
        if abs(difference) <= counts.get(code, 0) * half:
            continue
        if difference > 0:
            percent, absolute, reason = limits.tax_upper_percent, limits.tax_upper_absolute, "tax.amount_over"
        else:
            percent, absolute, reason = limits.tax_lower_percent, limits.tax_lower_absolute, "tax.amount_under"
        if within(abs(difference), abs(expected), percent, absolute, lenient=limits.lenient):
            work.tolerated += max(ZERO, difference)
            continue
        stated = minor_part(bill.minor(expected), bill.minor_scale)
        work.say(
            reason,
            0,
            billed - stated,
            f"Tax {code}: {amount(billed)} is billed, {amount(stated)} is due on {amount(bases.get(code, ZERO))}"
            + (_three_figures(work, by_tables, quote) if quote is not None else "."),
            breach=amount(billed - stated),
            limit=f"rounding {amount(counts.get(code, 0) * half)}",
            unit=bill.currency,
            rule="S25",
        )
    _check_ratio(work, book, all_expected)


def _three_figures(work: Work, by_tables: Fraction, quote: TaxQuote) -> str:
    """The end of a sentence that has named the supplier's figure and the engine's: who says so, and our own tables."""
    bill = work.bill
    own = minor_part(bill.minor(by_tables), bill.minor_scale)
    return f" by {quote.engine} for {quote.taxed_on.isoformat()}; our own tables come to {amount(own)}."


def _check_ratio(work: Work, book: Book, expected: Fraction) -> None:
    """All tax above a share of net is implausible, whatever codes are billed."""
    bill, limits = work.bill, work.limits
    if limits.tax_ratio is None:
        return
    numbers = bill.numbers(book)
    tax = sum(numbers.taxes.values(), ZERO)
    if tax * 100 <= numbers.net * limits.tax_ratio:
        return
    stated = minor_part(bill.minor(expected), bill.minor_scale)
    work.say(
        "tax.ratio_implausible",
        0,
        tax - stated,
        f"Tax of {amount(tax)} on a net of {amount(numbers.net)} is above {limits.policy.tax.ratio_percent} %.",
        breach=amount(tax),
        limit=f"{limits.policy.tax.ratio_percent} %",
        unit=bill.currency,
        rule="S25",
    )


def check_codes(work: Work, billed: BilledLine, order_codes: tuple[str, ...], share: Fraction, book: Book) -> None:
    """Codes of invoice line and order line: `tax.code_differs` with the difference in tax, `tax.missing` with minus the
    tax at the order's codes. A quote that taxes the line by the bill's own codes clears the difference; equal amounts
    do not, since exempt and reverse charge are both billed at nothing and booked differently."""
    if billed.codes == order_codes or set(billed.codes) == set(order_codes):
        return
    if work.limits.tax_codes_if_stated and not order_codes:
        return
    by_engine = codes_of_line(work.quote, billed.line) if work.quote is not None else frozenset()
    if by_engine and by_engine == set(billed.codes):
        return
    base = billed.net_amount * share
    due = base * book.billed_rate(order_codes, work.bill.tax_day)
    if not billed.codes:
        work.say(
            "tax.missing",
            billed.line,
            -due,
            f"Line {billed.line} bears no tax code; the order has {', '.join(order_codes)}: {amount(due)}.",
            breach=amount(due),
            unit=work.bill.currency,
            rule="S25",
        )
        return
    stands = base * book.billed_rate(billed.codes, work.bill.tax_day)
    engine = f" {work.quote.engine} taxes it by {', '.join(sorted(by_engine))}." if work.quote and by_engine else ""
    work.say(
        "tax.code_differs",
        billed.line,
        stands - due,
        f"Line {billed.line} is billed with {', '.join(billed.codes)}; the order has "
        f"{', '.join(order_codes) or 'none'}: {amount(stands)} against {amount(due)}.{engine}",
        breach=amount(stands - due),
        unit=work.bill.currency,
        rule="S25",
    )


def check_withholding(work: Work, book: Book) -> None:
    """The supplier's withholding code: net x rate, or as quoted, must be withheld; variance expected - stated."""
    bill = work.bill
    facts = (book.suppliers or {}).get(bill.supplier)
    if facts is None or not facts.withholding or bill.credit:
        return
    code = book.tax_code(facts.withholding, bill.tax_day)
    rate = exact(code.rate) / 100 if code is not None else ZERO
    numbers = bill.numbers(book)
    quoted = withheld(work.quote, facts.withholding) if work.quote is not None else None
    expected = numbers.net * rate if quoted is None else quoted
    stated = numbers.withheld.get(facts.withholding, ZERO)
    if abs(expected - stated) <= minor_part(1, 2 * bill.minor_scale):
        return
    due = minor_part(bill.minor(expected), bill.minor_scale)
    work.say(
        "tax.withholding_wrong",
        0,
        due - stated,
        f"{amount(due)} must be withheld under {facts.withholding}; the invoice states {amount(stated)}.",
        breach=amount(due - stated),
        unit=bill.currency,
        rule="S25",
    )
