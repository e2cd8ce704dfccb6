"""Does the document add up? Each line by itself, then the whole; only a small difference may be absorbed. Rule: S11."""

from __future__ import annotations

from fractions import Fraction

from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, minor_part
from tripartite.core.matching.policy import within
from tripartite.core.matching.state import Work


def check_arithmetic(work: Work, book: Book) -> bool:
    """Note `match.arithmetic` or `match.small_difference`; whether the document passes.

    A line amount is right within half a minor unit of quantity x price / price_per x (1 - discount), so both ways of
    rounding a tie are right. Of the document the larger of the gross and the net difference counts; the variance
    stated is the gross one, or the net one where gross agrees.
    """
    bill = work.bill
    numbers = bill.numbers(book)
    half = minor_part(1, 2 * bill.minor_scale)
    passes = True
    for line in numbers.lines:
        if line.exact is None:
            continue
        difference = line.amount - line.exact
        if abs(difference) > half:
            passes = False
            work.say(
                "match.arithmetic",
                line.line,
                difference,
                f"Line {line.line} states {amount(line.amount)}; quantity x price is {amount(line.exact)}.",
                breach=amount(difference),
                limit=amount(half),
                unit=bill.currency,
                rule="S11",
            )
    lines = sum((line.amount for line in numbers.lines), ZERO)
    charges = sum((charge.amount for charge in numbers.charges), ZERO)
    taxes = sum(numbers.taxes.values(), ZERO)
    if bill.doc.prices_include_tax:
        gross_off = numbers.gross - (lines + charges)
        net_off = numbers.net - (lines + charges - taxes)
    else:
        gross_off = numbers.gross - (lines + charges + taxes)
        net_off = numbers.net - (lines + charges)
    off = max(abs(gross_off), abs(net_off))
    if off == 0:
        return passes
    absorbed = within(off, ZERO, None, work.limits.small_difference)
    total, stated = ("gross", numbers.gross) if gross_off != 0 else ("net", numbers.net)
    difference = gross_off if gross_off != 0 else net_off
    work.say(
        "match.small_difference" if absorbed else "match.arithmetic",
        0,
        difference,
        f"The {total} total {amount(stated)} is {amount(difference)} from the sum of its parts.",
        breach=amount(off),
        limit=work.limits.policy.small_difference,
        unit=bill.currency,
        rule="S11",
    )
    return passes and absorbed


def amount(value: Fraction) -> str:
    """An exact number for words: plain where it is a short decimal, else rounded to six decimals and marked."""
    scaled = value * 10**6
    whole = round(scaled)
    sign = "-" if whole < 0 else ""
    digits = f"{abs(whole):07d}"
    text = f"{sign}{digits[:-6]}.{digits[-6:]}".rstrip("0")
    if text.endswith("."):
        text += "00" if abs(value) >= 1000 else ""
        text = text.rstrip(".")
    return text if scaled.denominator == 1 else f"about {text}"
