"""Proves the bounds of the tolerance tables: each can be used, none is open without a word, none contradicts another.

A number that another bound makes idle is an error: the reviewer reads it and believes it. What lets any difference
pass is a warning that shows an invoice: a controller may want it, and must have seen it. Nothing here looks at scopes
alone: that is check.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import cast

import msgspec

from tripartite.core.estate import Estate
from tripartite.core.money import CURRENCIES, minor_digits
from tripartite.core.policy.cases import OTHER, cite, example_of, first_company, merged, together
from tripartite.core.policy.finding import Example, PolicyFinding, Rule
from tripartite.core.policy.pack import Pack
from tripartite.core.policy.rows import (
    SUMS,
    AmountRow,
    ChargeRow,
    MatchingRow,
    PriceRow,
    QuantityRow,
    SampleRow,
    Scoped,
    TaxRow,
)

# The bounds of one level stand together: under `strict` each that speaks must hold.
LEVELS = {
    "price": (
        ("upper_percent", "upper_absolute"),
        ("lower_percent", "lower_absolute"),
        ("cumulative_upper_percent", "cumulative_upper_absolute"),
    ),
    "quantity": (("upper_percent", "upper_absolute", "upper_value"),),
    "charge": (("planned_upper_percent", "planned_upper_absolute"), ("unplanned_percent", "unplanned_absolute")),
    "tax": (("upper_percent", "upper_absolute"), ("lower_percent", "lower_absolute")),
    "rate": (("upper_percent", "upper_absolute"),),
}

# What passes where a level says nothing: a line that nobody would pay on purpose.
OPEN = {
    ("price", "upper_percent"): "10 EA ordered at 10.00 and billed at 10000.00 each pass",
    ("quantity", "upper_percent"): "10 EA received and 1000 EA billed pass",
    ("charge", "planned_upper_percent"): "freight planned at 50.00 and billed at 5000.00 passes",
    ("charge", "unplanned_percent"): "goods of 100.00 and a charge of 5000.00 that nobody ordered pass",
    ("tax", "upper_percent"): "tax of 19.00 due on 100.00 and billed at 28.00 passes",
    ("rate", "upper_percent"): "a rate of 1.10 in the table and 2.20 on the invoice passes",
}
_LARGE = Decimal(10_000_000)


class _Notes:
    """The findings of one row, collected."""

    def __init__(self, table: str, row: Scoped, estate: Estate) -> None:
        self.table, self.row = table, row
        self.example = example_of(row, first_company(estate), row.valid_from, row.currency)
        self.found: list[PolicyFinding] = []

    def error(self, words: str, rule: Rule = "unsatisfiable") -> None:
        """What keeps the pack from being approved."""
        words = f"{self.row.id}: {words}"
        self.found.append(PolicyFinding("error", rule, cite(self.table, self.row), words, self.example))

    def warning(self, rule: Rule, words: str, lines: str = "") -> None:
        """What the approver is to read; `lines` say what stands on the invoice that shows it."""
        shown = msgspec.structs.replace(self.example, lines=lines)
        words = f"{self.row.id}: {words}, as for {shown}" if lines else f"{self.row.id}: {words}"
        self.found.append(PolicyFinding("warning", rule, cite(self.table, self.row), words, shown))


def bounds(table: str, row: Scoped, estate: Estate, *, always_strict: bool) -> list[PolicyFinding]:
    """What is wrong with the numbers of one row by itself."""
    notes = _Notes(table, row, estate)
    unit_price = ("upper_absolute", "lower_absolute") if table == "price" else ()
    for key in SUMS.get(table, ()):
        value = getattr(row, key)
        if value in ("exact", "ignore") or key in unit_price or row.currency not in CURRENCIES:
            continue
        if 0 < Decimal(value) < Decimal(1).scaleb(-minor_digits(row.currency)):
            notes.error(
                f"{key} {value} is less than the smallest {row.currency}: no difference can lie between 0 and it"
            )
    for level in LEVELS.get(table, ()):
        _level(notes, {key: getattr(row, key) for key in level}, always_strict=always_strict)
    if isinstance(row, TaxRow):
        _doubtful_percent(notes, "ratio_percent", row.ratio_percent)
    if isinstance(row, QuantityRow):
        _doubtful_percent(notes, "catch_weight_upper_percent", row.catch_weight_upper_percent)
        if row.catch_weight_upper_percent == "ignore":
            lines = "10 cartons weighed in at 200 kg and billed at 900 kg pass"
            notes.warning("unbounded", "catch_weight_upper_percent ignore: any weight passes", lines)
    if isinstance(row, PriceRow):
        _price(notes, row)
    if isinstance(row, SampleRow):
        _sample(notes, row)
    return notes.found


def _level(notes: _Notes, said: dict[str, str], *, always_strict: bool) -> None:
    """The bounds of one level against one another."""
    # Where one bound is enough, an exact one beside a number only says nothing; where both must hold it shuts it off.
    shut = next((key for key, value in said.items() if value == "exact" or _is_zero(value)), "")
    for key, value in said.items():
        if shut and is_number(value):
            words = f"{key} {value} can never be used, since {shut} is {said[shut]}"
            if always_strict:
                notes.error(words)
            else:
                notes.warning("unsatisfiable", f"{words}, wherever both must hold")
        if key.endswith("percent"):
            _doubtful_percent(notes, key, value)
    first = next(iter(said))
    if (notes.table, first) in OPEN and set(said.values()) == {"ignore"}:
        words = f"{', '.join(said)}: none of them speaks, so that any difference passes"
        notes.warning("unbounded", words, OPEN[notes.table, first])


def _doubtful_percent(notes: _Notes, key: str, value: str) -> None:
    """A percentage that looks like a fraction (0.02 for 2 %), or like basis points (200 for 2 %)."""
    if not is_number(value):
        return
    share = Decimal(value)
    if share < Decimal("0.25") or (key == "ratio_percent" and share < 1):
        meant = format((share * 100).normalize(), "f")
        lines = f"of 100.00 it is {format(share, 'f')}"
        notes.warning("doubtful", f"{key} {value} is {value} %; for {meant} % write {meant}", lines)
    elif share > 50 and not (key == "lower_percent" and share >= 100):
        lines = f"100.00 are due and {100 + share:f} are billed"
        if key.startswith("lower"):
            lines = f"100.00 are due and {100 - share:f} are billed"
        elif key == "ratio_percent":
            lines = f"a net of 100.00 with tax of {share:f}"
        notes.warning("doubtful", f"{key} {value} lets a difference of {value} % pass", lines)


def _price(notes: _Notes, row: PriceRow) -> None:
    if is_number(row.lower_percent) and Decimal(row.lower_percent) >= 100:
        notes.error(f"lower_percent {row.lower_percent}: no price is below nothing")
    line, all_bills = row.line_upper_absolute, row.cumulative_upper_absolute
    if is_number(line) and _below(all_bills, line):
        notes.error(f"line_upper_absolute {line} is never reached: cumulative_upper_absolute {all_bills} stops before")
    unit, cumulative = row.upper_percent, row.cumulative_upper_percent
    if is_number(unit) and _below(cumulative, unit):
        lines = f"the whole of a line in one bill, {unit} % over, is held; a tenth of it beside nine right ones passes"
        notes.warning("doubtful", f"upper_percent {unit} beside cumulative_upper_percent {cumulative}", lines)
    whole = row.line_upper_absolute
    if whole == "exact" or _is_zero(whole):
        for key in ("upper_percent", "upper_absolute"):
            if is_number(value := getattr(row, key)):
                notes.error(f"{key} {value} can never be used, since line_upper_absolute is {whole}")


def _sample(notes: _Notes, row: SampleRow) -> None:
    if row.one_in in ("0", "exact"):
        notes.error(f"one_in {row.one_in} draws nothing and reads as if it drew all; write ignore")
    elif row.one_in != "ignore" and not row.beacon.strip():
        notes.error("no beacon: whoever knows the number of an invoice knows whether it is drawn")
    elif row.one_in == "ignore" and row.beacon:
        notes.warning("doubtful", "a beacon is named and nothing is drawn by it")


def across_tables(pack: Pack, estate: Estate) -> list[PolicyFinding]:
    """What only shows where the rows of two tables speak for one invoice."""
    found: list[PolicyFinding] = []
    for price, amount, example in _pairs(pack, estate, "price", "amount"):
        found += _line_and_document(cast("PriceRow", price), cast("AmountRow", amount), example)
    for charge, amount, example in _pairs(pack, estate, "charge", "amount"):
        found += _charge_and_document(cast("ChargeRow", charge), cast("AmountRow", amount), example)
    for price, matching, example in _pairs(pack, estate, "price", "matching"):
        found += _lenient(cast("PriceRow", price), cast("MatchingRow", matching), example)
    return found


def _pairs(pack: Pack, estate: Estate, one: str, other: str) -> Iterator[tuple[Scoped, Scoped, Example]]:
    """Rows of two tables that speak for one invoice, with that invoice."""
    mine: Scoped
    theirs: Scoped
    for mine in pack.table(one):
        for theirs in pack.table(other):
            scope, day = merged(mine, theirs), together(mine, theirs)
            if scope is None or day is None:
                continue
            case = Example(
                company=first_company(estate) if scope["company"] == "*" else scope["company"],
                supplier=OTHER if scope["supplier"] == "*" else scope["supplier"],
                category=OTHER if scope["category"] == "*" else scope["category"],
                currency=min(CURRENCIES) if scope["currency"] == "*" else scope["currency"],
                on=day,
            )
            asked = (case.company, case.supplier, case.category, case.currency, day)
            if (pack.speaking(one, *asked), pack.speaking(other, *asked)) == (mine, theirs):
                yield mine, theirs, case


def _line_and_document(price: PriceRow, amount: AmountRow, case: Example) -> list[PolicyFinding]:
    rows = (*cite("price", price), *cite("amount", amount))
    line, whole = price.line_upper_absolute, amount.document_upper_absolute
    if is_number(line) and _below(whole, line):
        words = f"{price.id}: line_upper_absolute {line} is never reached: document_upper_absolute {whole} stops before"
        return [PolicyFinding("error", "unsatisfiable", rows, words, case)]
    if (whole == "exact" or _is_zero(whole)) and is_number(price.upper_percent):
        words = f"{price.id}: upper_percent {price.upper_percent} can never be used, since document_upper_absolute is "
        return [PolicyFinding("error", "unsatisfiable", rows, words + whole, case)]
    sums = (price.upper_absolute, line, price.cumulative_upper_absolute, whole)
    if is_number(price.upper_percent) and all(value == "ignore" for value in sums):
        more = (_LARGE * Decimal(price.upper_percent) / 100).quantize(Decimal("0.01"))
        shown = msgspec.structs.replace(case, lines=f"a line ordered at {_LARGE:f}.00 passes at {more:f} more")
        words = f"{price.id}: {price.upper_percent} % without any sum beside it, as for {shown}"
        return [PolicyFinding("warning", "unbounded", rows, words, shown)]
    return []


def _charge_and_document(charge: ChargeRow, amount: AmountRow, case: Example) -> list[PolicyFinding]:
    found = []
    whole = amount.document_upper_absolute
    for key in ("planned_upper_absolute", "unplanned_absolute"):
        value = getattr(charge, key)
        if is_number(value) and (_below(whole, value) or whole == "exact"):
            rows = (*cite("charge", charge), *cite("amount", amount))
            words = f"{charge.id}: {key} {value} is never reached: document_upper_absolute {whole} stops before"
            found.append(PolicyFinding("error", "unsatisfiable", rows, words, case))
    return found


def _lenient(price: PriceRow, matching: MatchingRow, case: Example) -> list[PolicyFinding]:
    """Where one bound is enough, a percentage lets a large sum pass and a sum a large share (S5)."""
    if matching.combination != "lenient" or not is_number(price.upper_percent):
        return []
    if not is_number(price.upper_absolute) or price.line_upper_absolute not in ("ignore",):
        return []
    more = (_LARGE * Decimal(price.upper_percent) / 100).quantize(Decimal("0.01"))
    lines = f"a part ordered at {_LARGE:f}.00 passes at {more:f} more, one at 0.01 at {price.upper_absolute} more"
    shown = msgspec.structs.replace(case, lines=lines)
    words = f"{price.id} under {matching.id}: lenient, so that the larger allowance counts, as for {shown}"
    rows = (*cite("price", price), *cite("matching", matching))
    return [PolicyFinding("warning", "unbounded", rows, words, shown)]


def is_number(value: str) -> bool:
    """A stated number above nothing."""
    return value not in ("exact", "ignore") and Decimal(value) > 0


def _is_zero(value: str) -> bool:
    return value not in ("exact", "ignore") and Decimal(value) == 0


def _below(value: str, other: str) -> bool:
    return value not in ("exact", "ignore") and Decimal(value) < Decimal(other)
