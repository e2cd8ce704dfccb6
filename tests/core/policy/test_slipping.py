"""Bad policies that somebody may try to slip past the check: each is found, and an invoice shows it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import tripartite
from core.estate_samples import estate
from core.policy.test_pack import price_row, with_prices
from tripartite.core.policy import Pack, PolicyFinding, check_pack, load_pack

FOLDER = Path(tripartite.__file__).parent / "policy_packs/baseline"
FILES = {file.name: file.read_text("utf-8") for file in FOLDER.glob("*.toml")}
ESTATE = estate()


def changed(file: str, *changes: tuple[str, str]) -> Pack:
    """The baseline with the first place of each old text replaced by the new one."""
    text = FILES[file]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    read = load_pack(FILES | {file: text})
    assert isinstance(read, Pack), [str(entry) for entry in read]
    return read


def row_of(file: str, table: str, name: str) -> str:
    """A row of the baseline, as text."""
    start = FILES[file].index(f'[[{table}]]\nid = "{name}"\n')
    end = FILES[file].find("\n\n", start)
    return FILES[file][start : end if end > 0 else None]


def with_row(file: str, table: str, name: str, *changes: tuple[str, str]) -> Pack:
    """The baseline with one row changed."""
    row = row_of(file, table, name)
    new = row
    for old, word in changes:
        assert old in new, old
        new = new.replace(old, word, 1)
    return changed(file, (row, new))


def beside(file: str, table: str, name: str, *changes: tuple[str, str]) -> Pack:
    """The baseline with a changed copy of one row beside it."""
    row = row_of(file, table, name)
    new = row
    for old, word in changes:
        assert old in new, old
        new = new.replace(old, word)
    return changed(file, (row, f"{row}\n\n{new}"))


# Each row: what is tried, the pack, severity, rule, the row that is named, a part of the invoice or of the words.
TRIED: list[tuple[str, Pack, str, str, str, str]] = [
    (
        "a zero that reads like a limit beside a sum",
        with_prices(price_row(upper_percent="0", upper_absolute="50.00", cumulative_upper_percent="ignore")),
        "error",
        "unsatisfiable",
        "price/test",
        "upper_absolute 50.00 can never be used, since upper_percent is 0",
    ),
    (
        "a fraction where a percentage is meant",
        with_prices(price_row(upper_percent="0.02")),
        "warning",
        "doubtful",
        "price/test",
        "for 2 % write 2",
    ),
    (
        "basis points where a percentage is meant",
        with_prices(price_row(upper_percent="200", cumulative_upper_percent="200")),
        "warning",
        "doubtful",
        "price/test",
        "100.00 are due and 300 are billed",
    ),
    (
        "a percentage without any sum, in a currency that has no sum for the document either",
        with_row(
            "tolerances.toml",
            "price",
            "any-currency",
            ('upper_percent = "exact"', 'upper_percent = "2"'),
        ),
        "warning",
        "unbounded",
        "price/any-currency",
        "a line ordered at 10000000.00 passes at 200000.00 more",
    ),
    (
        "a limit of the line that the limit of the document stops before",
        with_row(
            "tolerances.toml",
            "amount",
            "eur",
            ('document_upper_absolute = "250.00"', 'document_upper_absolute = "100.00"'),
        ),
        "error",
        "unsatisfiable",
        "price/eur",
        "document_upper_absolute 100.00 stops before",
    ),
    (
        "a document that tolerates nothing, beside lines that do",
        with_row(
            "tolerances.toml",
            "amount",
            "eur",
            ('document_upper_absolute = "250.00"', 'document_upper_absolute = "0"'),
        ),
        "error",
        "unsatisfiable",
        "price/eur",
        "document_upper_absolute 0 stops before",
    ),
    (
        "any quantity",
        with_row("tolerances.toml", "quantity", "everything", ('upper_percent = "exact"', 'upper_percent = "ignore"')),
        "warning",
        "unbounded",
        "quantity/everything",
        "10 EA received and 1000 EA billed pass",
    ),
    (
        "any weight",
        with_row(
            "tolerances.toml",
            "quantity",
            "everything",
            ('catch_weight_upper_percent = "1"', 'catch_weight_upper_percent = "ignore"'),
        ),
        "warning",
        "unbounded",
        "quantity/everything",
        "weighed in at 200 kg",
    ),
    (
        "any exchange rate",
        with_row("tolerances.toml", "rate", "everything", ('upper_percent = "2"', 'upper_percent = "ignore"')),
        "warning",
        "unbounded",
        "rate/everything",
        "2.20 on the invoice passes",
    ),
    (
        "a ratio of tax that is a fraction, so that every taxed invoice is implausible",
        with_row("tolerances.toml", "tax", "everything", ('ratio_percent = "30"', 'ratio_percent = "0.3"')),
        "warning",
        "doubtful",
        "tax/everything",
        "for 30 % write 30",
    ),
    (
        "a sample that draws nothing and reads as if it drew all",
        with_row("matching.toml", "sample", "everything", ('beacon = ""', 'beacon = "b"'), ('"ignore"', '"0"')),
        "error",
        "unsatisfiable",
        "sample/everything",
        "draws nothing",
    ),
    (
        "a sample that everybody can foresee",
        with_row("matching.toml", "sample", "everything", ('"ignore"', '"200"')),
        "error",
        "unsatisfiable",
        "sample/everything",
        "no beacon",
    ),
    (
        "a currency in which one buyer approves any sum",
        with_row(
            "decisions.toml",
            "approval",
            "no-order",
            ('approver = "approver"\napprovals = 2', 'approver = "buyer"\napprovals = 1'),
        ),
        "warning",
        "unbounded",
        "approval/no-order",
        "over 99999999.00",
    ),
    (
        "less asked of more money",
        with_row(
            "decisions.toml",
            "approval",
            "no-order-eur",
            ('approver = "buyer"\napprovals = 1', 'approver = "approver"\napprovals = 3'),
        ),
        "error",
        "inverted",
        "approval/no-order-eur",
        "over 10000.01 EUR",
    ),
    (
        "fewer than no approvals, which are always there",
        with_row("decisions.toml", "approval", "no-order-eur", ("approvals = 1", "approvals = -1")),
        "error",
        "unsatisfiable",
        "approval/no-order-eur",
        "-1 approvals cannot be given",
    ),
    (
        "more approvers than there are people",
        with_row("decisions.toml", "approval", "no-order-eur-large", ("approvals = 2", "approvals = 200")),
        "error",
        "unsatisfiable",
        "approval/no-order-eur-large",
        "200 approvals cannot be given",
    ),
    (
        "an invoice without an order that nobody approves",
        with_row(
            "decisions.toml",
            "approval",
            "no-order-eur",
            ('approver = "buyer"\napprovals = 1', 'approver = "none"\napprovals = 0'),
        ),
        "error",
        "duties",
        "approval/no-order-eur",
        "nobody approves what nobody ordered",
    ),
    (
        "a chain with a hole: the row for small sums ends, the one for large ones goes on",
        with_row("decisions.toml", "approval", "no-order-eur", ('until = "open"', "until = 2027-01-01")),
        "error",
        "gap",
        "approval/no-order-eur-large",
        "on 2027-01-01",
    ),
    (
        "one band twice, written in two ways",
        beside(
            "decisions.toml",
            "approval",
            "no-order-eur-large",
            ('id = "no-order-eur-large"', 'id = "large-again"'),
            ('above = "10000.00"', 'above = "10000"'),
            ("approvals = 2", "approvals = 1"),
        ),
        "error",
        "overlap",
        "approval/large-again",
        "both speak for",
    ),
    (
        "an approval for a company behind one that always decides",
        beside(
            "decisions.toml",
            "approval",
            "order",
            ('id = "order"', 'id = "order-of-nobody"'),
            ('company = "*"', 'company = "DE01"'),
            ('until = "open"', "until = 2025-12-31"),
        ),
        "error",
        "shadowed",
        "approval/order-of-nobody",
        "never speaks",
    ),
    (
        "fewer people for a larger payment",
        with_row("decisions.toml", "payment_release", "two", ("persons = 2", "persons = 4")),
        "error",
        "inverted",
        "payment_release/three-eur",
        "over 250000.01 EUR",
    ),
    (
        "one person in two spellings on both sides of the approval",
        changed("pack.toml", ('approved_by = "controller"', 'approved_by = " Accounts-Payable"')),
        "error",
        "duties",
        "",
        "takes two people",
    ),
    (
        "an approval by nobody",
        changed("pack.toml", ('approved_by = "controller"', 'approved_by = ""')),
        "error",
        "duties",
        "",
        "must be said",
    ),
    (
        "terms without hours, so that nobody is ever late",
        with_row("decisions.toml", "sla", "match-area", ('sla_hours = "catalogue"', 'sla_hours = "none"')),
        "warning",
        "unbounded",
        "sla/match-area",
        "it never falls due",
    ),
    (
        "no time to work in",
        with_row("decisions.toml", "sla", "match-area", ('sla_hours = "catalogue"', "sla_hours = 0")),
        "error",
        "unsatisfiable",
        "sla/match-area",
        "0 hours cannot be kept",
    ),
    (
        "a hold that policy would turn into a payment block",
        with_row("decisions.toml", "sla", "match-area", ('blocks = "catalogue"', 'blocks = "payment"')),
        "error",
        "loosens",
        "sla/match-area",
        "would loosen blocks",
    ),
    (
        "a release that the catalogue keeps shut",
        with_row("decisions.toml", "sla", "duplicate-area", ('release = "catalogue"', 'release = "owner"')),
        "error",
        "loosens",
        "sla/duplicate-area",
        "would loosen release",
    ),
    (
        "a limit in a coin that does not exist",
        with_row("decisions.toml", "release_limit", "ap-eur", ('up_to = "500.00"', 'up_to = "0.001"')),
        "error",
        "unsatisfiable",
        "release_limit/ap-eur",
        "less than the smallest EUR",
    ),
    (
        "a gap of one day between two rows of any currency",
        beside(
            "tolerances.toml",
            "tax",
            "everything",
            ('id = "everything"', 'id = "later"'),
            ("from = 2020-01-01", "from = 2027-01-02"),
        ),
        "error",
        "overlap",
        "tax/later",
        "on 2027-01-02",
    ),
]


def _named(found: list[PolicyFinding], severity: str, rule: str, row: str, words: str) -> bool:
    return any(
        (entry.severity, entry.rule) == (severity, rule)
        and (row in entry.rows or not row)
        and (words in entry.words or words in str(entry.example))
        for entry in found
    )


@pytest.mark.parametrize(
    ("pack", "severity", "rule", "row", "words"), [case[1:] for case in TRIED], ids=[case[0] for case in TRIED]
)
def test_a_bad_policy_does_not_slip_past_the_check(pack: Pack, severity: str, rule: str, row: str, words: str) -> None:
    found = check_pack(pack, ESTATE)
    assert _named(found, severity, rule, row, words), [f"{e.severity} {e.rule} {e.rows} {e.words}" for e in found]


def test_the_larger_of_two_allowances_is_shown_with_what_it_lets_pass() -> None:
    text = FILES["matching.toml"].replace('combination = "strict"', 'combination = "lenient"', 1)
    prices = with_prices(price_row(upper_absolute="0.05", line_upper_absolute="ignore"))
    read = load_pack(FILES | {"matching.toml": text})
    assert isinstance(read, Pack)
    both = msgspec.structs.replace(prices, rows={**prices.rows, "matching": read.rows["matching"]})
    assert _named(
        check_pack(both, ESTATE), "warning", "unbounded", "price/test", "at 200000.00 more, one at 0.01 at 0.05 more"
    )


def test_a_day_that_no_row_covers_is_the_invoice_that_shows_the_gap() -> None:
    row = row_of("tolerances.toml", "tax", "everything")
    first = row.replace('until = "open"', "until = 2027-01-01")
    second = row.replace('id = "everything"', 'id = "later"').replace("from = 2020-01-01", "from = 2027-01-02")
    (entry,) = [
        e for e in check_pack(changed("tolerances.toml", (row, f"{first}\n\n{second}")), ESTATE) if e.rule == "gap"
    ]
    assert str(entry.example).endswith("category (any other), on 2027-01-01")


# What is refused by its shape already: nothing but the words and numbers of the table can be written.
MISSHAPEN = [
    ("tolerances.toml", 'upper_percent = "2"', 'upper_percent = "-1"'),
    ("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = "-150.00"'),
    ("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = "Infinity"'),
    ("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = "1E9"'),
    ("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = "150,00"'),
    ("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = " 150.00"'),
    ("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = "٣"'),
    ("decisions.toml", 'approver = "buyer"', 'approver = "requester"'),
    ("decisions.toml", 'approver = "buyer"', 'approver = "Buyer"'),
    ("decisions.toml", 'role = "ap"', 'role = "intern"'),
    ("decisions.toml", 'escalate_to = "ap"', 'escalate_to = "boss"'),
    ("decisions.toml", "from = 2020-01-01", "from = 2020-02-30"),
    ("decisions.toml", 'until = "open"', 'until = "never"'),
    ("decisions.toml", 'until = "open"', "until = 2020-01-01"),
    ("decisions.toml", "approvals = 0", "approvals = 0.5"),
    ("countries.toml", "retention_years = 10", "retention_years = true"),
]


@pytest.mark.parametrize(("file", "old", "new"), MISSHAPEN)
def test_what_no_table_can_say_is_refused_with_its_place(file: str, old: str, new: str) -> None:
    text = FILES[file]
    assert old in text
    read = load_pack(FILES | {file: text.replace(old, new, 1)})
    assert isinstance(read, list)
    assert read[0].file == file


def test_every_finding_of_a_table_shows_an_invoice() -> None:
    silent = [
        (case[0], entry.words)
        for case in TRIED
        for entry in check_pack(case[1], ESTATE)
        if entry.rule not in ("unknown", "duties") and str(entry.example) == "an invoice"
    ]
    assert silent == []
