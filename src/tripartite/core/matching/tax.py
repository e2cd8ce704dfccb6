"""Is the tax on the bill what the codes say, and are the codes the order's? Rule: S25. Withholding too.

Amounts in document currency. Rates are fractions of net; a base is exact, an expected tax is rounded once when stated.
"""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.billed import BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, exact, minor_part
from tripartite.core.matching.policy import within
from tripartite.core.matching.state import Work
from tripartite.core.matching.totals import amount


def check_tax(work: Work, book: Book) -> None:
    """Per code: base x rate against the tax billed. Up to half a minor unit per line and charge is rounding; beyond it
    the tax bounds speak. Variance: billed - rounded expected, summed over codes, at line 0."""
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
    for code in dict.fromkeys([*bases, *numbers.taxes]):
        expected = bases.get(code, ZERO) * book.rate(code)
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
            f"Tax {code}: {amount(billed)} is billed, {amount(stated)} is due on {amount(bases.get(code, ZERO))}.",
            breach=amount(billed - stated),
            limit=f"rounding {amount(counts.get(code, 0) * half)}",
            unit=bill.currency,
            rule="S25",
        )
    _check_ratio(work, book, all_expected)


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
    tax at the order's codes."""
    if billed.codes == order_codes or set(billed.codes) == set(order_codes):
        return
    if work.limits.tax_codes_if_stated and not order_codes:
        return
    base = billed.net_amount * share
    due = base * book.billed_rate(order_codes)
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
    stands = base * book.billed_rate(billed.codes)
    work.say(
        "tax.code_differs",
        billed.line,
        stands - due,
        f"Line {billed.line} is billed with {', '.join(billed.codes)}; the order has "
        f"{', '.join(order_codes) or 'none'}: {amount(stands)} against {amount(due)}.",
        breach=amount(stands - due),
        unit=work.bill.currency,
        rule="S25",
    )


def check_withholding(work: Work, book: Book) -> None:
    """The supplier's withholding code: net x rate must be withheld; variance expected - stated."""
    bill = work.bill
    facts = (book.suppliers or {}).get(bill.supplier)
    if facts is None or not facts.withholding or bill.credit:
        return
    code = book.taxes.get(facts.withholding)
    rate = exact(code.rate) / 100 if code is not None else ZERO
    numbers = bill.numbers(book)
    expected = numbers.net * rate
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
