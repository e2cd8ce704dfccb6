"""The policy pack: what it refuses, which row speaks, what its check proves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tripartite
from core.estate_samples import estate
from tripartite.core.exceptions import reason
from tripartite.core.matching.policy import policy_from_table
from tripartite.core.money import Amount
from tripartite.core.policy import Pack, PackError, PolicyFinding, check_pack, load_pack
from tripartite.core.policy.rows import MATCH_TABLES, TABLES

FOLDER = Path(tripartite.__file__).parent / "policy_packs/baseline"
FILES = {file.name: file.read_text("utf-8") for file in FOLDER.glob("*.toml")}
ESTATE = estate()
ON = date(2026, 11, 24)


def pack(files: Mapping[str, str] = FILES) -> Pack:
    read = load_pack(files)
    assert isinstance(read, Pack), [str(entry) for entry in read]
    return read


def wrong(**changed: str) -> list[PackError]:
    read = load_pack(FILES | {f"{name}.toml": text for name, text in changed.items()})
    assert isinstance(read, list), "expected this pack to be refused"
    return read


def spoiled(file: str, old: str, new: str, count: int = 1) -> dict[str, str]:
    text = FILES[f"{file}.toml"]
    assert old in text, old
    return FILES | {f"{file}.toml": text.replace(old, new, count)}


def price_row(**changes: Any) -> str:
    row = {
        "id": "test",
        "supplier": "*",
        "company": "*",
        "category": "*",
        "currency": "EUR",
        "from": "2020-01-01",
        "until": '"open"',
        "upper_percent": "2",
        "upper_absolute": "ignore",
        "lower_percent": "10",
        "lower_absolute": "ignore",
        "line_upper_absolute": "150.00",
        "cumulative_upper_percent": "2",
        "cumulative_upper_absolute": "300.00",
    } | {name.removesuffix("_"): value for name, value in changes.items()}
    dates = ("from", "until")
    return "[[price]]\n" + "".join(f"{k} = {v}\n" if k in dates else f'{k} = "{v}"\n' for k, v in row.items())


def with_prices(*rows: str) -> Pack:
    """The baseline with these price rows beside its wildcard row."""
    text = FILES["tolerances.toml"]
    start = text.index('[[price]]\nid = "eur"')
    end = text.index("# Quantity:")
    return pack(FILES | {"tolerances.toml": text[:start] + "\n".join(rows) + "\n" + text[end:]})


def errors(found: list[PolicyFinding]) -> list[tuple[str, tuple[str, ...]]]:
    return [(entry.rule, entry.rows) for entry in found if entry.severity == "error"]


# Loading --------------------------------------------------------------------------------------------------------


def test_the_baseline_is_whole_for_the_estate_that_init_writes() -> None:
    assert check_pack(pack(), ESTATE) == []


def test_an_unknown_key_is_refused_with_file_and_line() -> None:
    text = FILES["tolerances.toml"].replace('upper_percent = "2"', 'upper_precent = "2"', 1)
    (entry,) = wrong(tolerances=text)
    assert (entry.file, entry.key) == ("tolerances.toml", "price[2].upper_precent")
    assert text.splitlines()[entry.line - 1].startswith("upper_precent")


# Each row: what is changed in tolerances.toml, a word of the complaint.
REFUSED = [
    ('upper_percent = "2"\n', "", "no empty cells"),
    ('upper_percent = "2"', 'upper_percent = ""', "neither a number"),
    ('upper_percent = "2"', 'upper_percent = "unlimited"', "neither a number"),
    ('upper_percent = "2"', 'upper_percent = "-2"', "neither a number"),
    ('upper_percent = "2"', 'upper_percent = "2e1"', "neither a number"),
    ('upper_percent = "2"', "upper_percent = 2.0", "not exact"),
    ('upper_percent = "2"', "upper_percent = 2", "Expected"),
    ('company = "*"', 'company = ""', "empty cell"),
    ('id = "eur"', 'id = "any-currency"', "stands twice"),
    ('until = "open"', "until = 2019-01-01", "not after"),
    ('line_upper_absolute = "ignore"', 'line_upper_absolute = "150.00"', "needs the currency"),
    ("[[rate]]", "[[rates]]", "not known here"),
]


@pytest.mark.parametrize(("old", "new", "word"), REFUSED)
def test_a_row_that_does_not_say_what_it_must_is_refused(old: str, new: str, word: str) -> None:
    assert old in FILES["tolerances.toml"]
    found = wrong(tolerances=FILES["tolerances.toml"].replace(old, new, 1))
    assert word in found[0].words
    assert found[0].file == "tolerances.toml"
    assert found[0].line > 0


def test_a_file_that_is_not_listed_and_a_listed_one_that_is_absent_are_refused() -> None:
    stray = load_pack(FILES | {"extra.toml": ""})
    assert isinstance(stray, list)
    assert stray[0].file == "extra.toml"
    absent = load_pack({name: text for name, text in FILES.items() if name != "countries.toml"})
    assert isinstance(absent, list)
    assert absent[0].file == "countries.toml"


@given(st.dictionaries(st.sampled_from([*FILES, "x.toml"]), st.text(max_size=80), max_size=3))
def test_no_text_makes_the_reader_raise(files: dict[str, str]) -> None:
    assert isinstance(load_pack(files), list)


def test_the_hash_is_of_what_is_said_and_not_of_how_the_files_look() -> None:
    tolerances = FILES["tolerances.toml"]
    start, end = tolerances.index('[[tax]]\nid = "everything"'), tolerances.index("# The document:")
    moved = {
        "tolerances.toml": "# a remark\n" + tolerances[:start] + tolerances[end:],
        "matching.toml": FILES["matching.toml"] + tolerances[start:end],
    }
    assert pack(FILES | moved).hash == pack().hash
    assert pack(spoiled("tolerances", 'ratio_percent = "30"', 'ratio_percent = "31"')).hash != pack().hash


# Which row speaks -----------------------------------------------------------------------------------------------


def upper(
    of: Pack, company: str = "DE01", supplier: str = "s", category: str = "", currency: str = "EUR", on: date = ON
) -> str:
    return of.match_policy(company, supplier, category, currency, on)[0].price.upper_percent


def test_the_most_specific_row_speaks_supplier_before_company_before_category_before_currency() -> None:
    several = with_prices(
        price_row(id="currency", upper_percent="1", cumulative_upper_percent="5"),
        price_row(id="category", category="mro", upper_percent="2", cumulative_upper_percent="5"),
        price_row(id="company", company="DE01", upper_percent="3", cumulative_upper_percent="5"),
        price_row(
            id="company-category", company="DE01", category="mro", upper_percent="4", cumulative_upper_percent="5"
        ),
        price_row(id="supplier", supplier="sup_1", upper_percent="5", cumulative_upper_percent="5"),
    )
    assert check_pack(several, ESTATE) == []
    assert upper(several, company="PL02") == "1"
    assert upper(several, company="PL02", category="mro") == "2"
    assert upper(several) == "3"
    assert upper(several, category="mro") == "4"
    assert upper(several, category="mro", supplier="sup_1") == "5"
    assert upper(several, supplier="sup_1", currency="CHF") == "exact", "its row is for EUR"


def test_a_row_speaks_from_its_first_day_until_the_day_before_its_end() -> None:
    dated = with_prices(
        price_row(id="old", until="2026-12-01", upper_percent="2"),
        price_row(id="new", from_="2026-12-01", upper_percent="3", cumulative_upper_percent="3"),
    )
    assert check_pack(dated, ESTATE) == []
    assert [upper(dated, on=date(2026, 11, 30)), upper(dated, on=date(2026, 12, 1))] == ["2", "3"]


def test_a_currency_without_its_own_row_gets_no_slack_and_the_row_says_so() -> None:
    policy, rows = pack().match_policy("DE01", "s", "", "JPY", ON)
    assert (policy.price.upper_percent, policy.small_difference) == ("exact", "exact")
    assert rows[0] == "price/any-currency"


def test_every_decision_table_is_cited_even_where_no_row_speaks() -> None:
    _, rows = with_prices().match_policy("DE01", "s", "", "EUR", ON)
    assert [row.partition("/")[0] for row in rows] == list(MATCH_TABLES)
    text = FILES["tolerances.toml"]
    without = pack(FILES | {"tolerances.toml": text.replace("2020-01-01", "2027-01-01")})
    policy, rows = without.match_policy("DE01", "s", "", "EUR", ON)
    assert rows[0] == "price/none"
    assert policy.price.upper_percent == "exact", "what nobody said allows nothing"


def test_utilities_need_no_order_and_everything_else_does() -> None:
    required = [
        pack().match_policy("DE01", "s", name, "EUR", ON)[0].order_required for name in ("utilities", "steel", "")
    ]
    assert required == ["no", "yes", "yes"]


def test_what_a_pack_gives_is_what_the_engine_reads() -> None:
    import msgspec

    for currency in ("EUR", "PLN", "JPY"):
        policy, _ = pack().match_policy("DE01", "s", "", currency, ON)
        assert policy_from_table(msgspec.to_builtins(policy)) == policy


_SCOPE = st.fixed_dictionaries(
    {
        "supplier": st.sampled_from(["*", "a", "b"]),
        "company": st.sampled_from(["*", "DE01", "PL02"]),
        "category": st.sampled_from(["*", "mro"]),
        "currency": st.sampled_from(["EUR", "PLN"]),
        "from_": st.sampled_from(["2026-01-01", "2026-06-01"]),
        "until": st.sampled_from(["2026-06-01", "2027-01-01", '"open"']),
    }
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(_SCOPE, max_size=6),
    st.sampled_from(["a", "c"]),
    st.sampled_from(["DE01", "PL02", "AT04"]),
    st.sampled_from(["mro", "x"]),
    st.sampled_from(["EUR", "PLN", "CHF"]),
    st.sampled_from([date(2026, 1, 1), date(2026, 5, 31), date(2026, 6, 1), date(2027, 3, 1)]),
)
def test_where_the_check_is_silent_exactly_one_row_is_the_most_specific(
    scopes: list[dict[str, str]], supplier: str, company: str, category: str, currency: str, on: date
) -> None:
    from tripartite.core.policy.rows import PriceRow, fits, weight

    scopes = [scope for scope in scopes if scope["from_"] < scope["until"].strip('"')]
    built = with_prices(*(price_row(id=f"r{index}", **scope) for index, scope in enumerate(scopes)))
    rules = {entry.rule for entry in check_pack(built, ESTATE)}
    fitting: list[PriceRow] = [
        row
        for row in built.table("price")
        if row.valid_from <= on < row.until and fits(row, supplier, company, category, currency)
    ]
    top = [row for row in fitting if weight(row) == max(weight(other) for other in fitting)]
    assert fitting, "the wildcard row fits everything"
    if "overlap" not in rules:
        assert len(top) == 1
    spoken = built.match_policy(company, supplier, category, currency, on)[1][0]
    assert spoken in {f"price/{row.id}" for row in top}


@settings(max_examples=50, deadline=None)
@given(st.lists(_SCOPE, min_size=1, max_size=5))
def test_a_row_that_is_said_to_be_shadowed_never_speaks_and_any_other_row_somewhere_does(
    scopes: list[dict[str, str]],
) -> None:
    scopes = [scope for scope in scopes if scope["from_"] < scope["until"].strip('"')]
    built = with_prices(*(price_row(id=f"r{index}", **scope) for index, scope in enumerate(scopes)))
    found = check_pack(built, ESTATE)
    if any(entry.rule == "overlap" for entry in found):
        return
    shadowed = {name for entry in found if entry.rule == "shadowed" for name in entry.rows}
    heard = {
        built.match_policy(company, supplier, category, currency, on)[1][0]
        for company in ("DE01", "PL02", "AT04")
        for supplier in ("a", "b", "other")
        for category in ("mro", "other")
        for currency in ("EUR", "PLN", "CHF")
        for on in (date(2026, 1, 1), date(2026, 6, 1), date(2027, 1, 1))
    }
    assert {f"price/{row.id}" for row in built.table("price")} - heard == shadowed


# What the check proves ------------------------------------------------------------------------------------------


def test_a_gap_is_shown_by_a_concrete_case() -> None:
    text = FILES["tolerances.toml"].replace(
        'id = "any-currency"\nsupplier = "*"\ncompany = "*"', 'id = "any-currency"\nsupplier = "*"\ncompany = "DE01"', 1
    )
    (entry,) = [e for e in check_pack(pack(FILES | {"tolerances.toml": text}), ESTATE) if e.rule == "gap"]
    assert entry.rows == ("price",)
    assert (entry.example.company, entry.example.supplier, entry.example.on) == (
        "PL02",
        "(any other)",
        date(2026, 1, 1),
    )
    policy, rows = pack(FILES | {"tolerances.toml": text}).match_policy("PL02", "x", "x", entry.example.currency, ON)
    assert rows[0] == "price/none"
    assert policy.price.upper_percent == "exact"


def test_a_gap_in_time_is_found_on_its_first_day() -> None:
    text = FILES["tolerances.toml"].replace('until = "open"', "until = 2026-12-01", 1)
    (entry,) = [e for e in check_pack(pack(FILES | {"tolerances.toml": text}), ESTATE) if e.rule == "gap"]
    assert entry.example.on == date(2026, 12, 1)


def test_two_rows_of_one_scope_on_one_day_are_an_overlap() -> None:
    found = check_pack(with_prices(price_row(id="a"), price_row(id="b", from_="2026-12-01")), ESTATE)
    assert errors(found) == [("overlap", ("price/a", "price/b"))]
    assert found[0].example.on == date(2026, 12, 1)


def test_a_row_whose_companies_all_have_their_own_never_speaks() -> None:
    own = [price_row(id=code.lower(), company=code) for code in ("DE01", "PL02", "AT04")]
    found = check_pack(with_prices(price_row(id="common"), *own), ESTATE)
    assert errors(found) == [("shadowed", ("price/common",))]
    assert "at04, de01, pl02" in found[0].words


# Each row: the bounds, the word of the finding.
UNSATISFIABLE = [
    ({"upper_absolute": "exact"}, "upper_percent 2 can never be used"),
    ({"upper_percent": "exact", "upper_absolute": "1"}, "upper_absolute 1 can never be used"),
    ({"line_upper_absolute": "0.005"}, "less than the smallest EUR"),
    ({"lower_percent": "100"}, "no price is below nothing"),
    ({"cumulative_upper_absolute": "100.00"}, "line_upper_absolute 150.00 is never reached"),
]


@pytest.mark.parametrize(("bounds", "words"), UNSATISFIABLE)
def test_a_bound_that_cannot_be_met_is_found(bounds: dict[str, str], words: str) -> None:
    found = check_pack(with_prices(price_row(**bounds)), ESTATE)
    assert errors(found) == [("unsatisfiable", ("price/test",))]
    assert words in found[0].words


def test_a_price_that_nothing_bounds_is_a_warning_that_names_a_case() -> None:
    (entry,) = check_pack(with_prices(price_row(upper_percent="ignore")), ESTATE)
    assert (entry.severity, entry.rule, entry.example.company) == ("warning", "unbounded", "DE01")


def test_a_row_for_a_company_that_does_not_exist_is_found() -> None:
    assert errors(check_pack(with_prices(price_row(company="XX")), ESTATE)) == [("unknown", ("price/test",))]


# Each row: file, old, new, the rule that must speak.
SPOILED = [
    ("pack", 'approved_by = "controller"', 'approved_by = "accounts-payable"', "duties"),
    ("decisions", 'code = "match.*"', 'code = "matching.*"', "unknown"),
    ("decisions", 'code = "match.*"', 'code = "tax.*"', "overlap"),
    ("decisions", 'severity = "catalogue"', 'severity = "low"', "loosens"),
    ("decisions", 'approver = "none"', 'approver = "control"', "unsatisfiable"),
    ("decisions", 'id = "no-order-eur-large"', 'id = "extra"', ""),
    ("decisions", 'above = "10000.00"', 'above = "0"', "overlap"),
    (
        "decisions",
        'id = "buyer-eur"\nfrom = 2020-01-01\nuntil = "open"\ncompany = "*"\ncurrency = "EUR"',
        'id = "buyer-eur"\nfrom = 2020-01-01\nuntil = "open"\ncompany = "*"\ncurrency = "USD"',
        "overlap",
    ),
    ("decisions", "persons = 2", "persons = 1", "duties"),
    ("decisions", 'id = "three-usd"', 'id = "three-usd-too"', ""),
    (
        "decisions",
        'id = "three-usd"\nfrom = 2020-01-01\nuntil = "open"\ncompany = "*"\ncurrency = "USD"',
        'id = "three-usd"\nfrom = 2020-01-01\nuntil = "open"\ncompany = "*"\ncurrency = "EUR"',
        "overlap",
    ),
    (
        "decisions",
        'id = "two"\nfrom = 2020-01-01\nuntil = "open"\ncompany = "*"',
        'id = "two"\nfrom = 2020-01-01\nuntil = "open"\ncompany = "XX99"',
        "unknown",
    ),
    ("countries", 'country = "*"', 'country = "FR"', ""),
    ("countries", 'country = "PL"', 'country = "DE"', "overlap"),
    ("countries", "retention_years = 5", "retention_years = 0", "unsatisfiable"),
]


@pytest.mark.parametrize(("file", "old", "new", "rule"), SPOILED)
def test_what_an_approver_must_not_sign_is_found(file: str, old: str, new: str, rule: str) -> None:
    found = errors(check_pack(pack(spoiled(file, old, new)), ESTATE))
    assert {entry[0] for entry in found} == ({rule} if rule else set())


def test_bands_that_do_not_begin_at_nothing_leave_small_amounts_without_an_approver() -> None:
    text = FILES["decisions.toml"]
    start = text.index('[[approval]]\nid = "no-order-eur"\n')
    end = text.index('[[approval]]\nid = "no-order-eur-large"')
    (entry,) = [
        e for e in check_pack(pack(FILES | {"decisions.toml": text[:start] + text[end:]}), ESTATE) if e.rule == "gap"
    ]
    assert (entry.example.currency, entry.example.amount) == ("EUR", "10000.00")


# Approvals, releases, terms, countries --------------------------------------------------------------------------

# Each row: basis, amount, who must approve and how many.
APPROVALS = [
    ("order", "1000000", "none", 0),
    ("no_order", "0.01", "buyer", 1),
    ("no_order", "10000.00", "buyer", 1),
    ("no_order", "10000.01", "approver", 2),
    ("no_order", "-10000.01", "approver", 2),
]


@pytest.mark.parametrize(("basis", "amount", "who", "number"), APPROVALS)
def test_who_must_approve_goes_by_basis_and_size(basis: str, amount: str, who: str, number: int) -> None:
    row = pack().approval("DE01", "s", "", "EUR", ON, basis, Amount(amount))
    assert row is not None
    assert (row.approver, row.approvals) == (who, number)


def test_a_release_limit_is_in_its_currency_and_unset_means_nobody_said() -> None:
    assert pack().release_limit("buyer", "DE01", "EUR", ON) == (Amount("5000.00"), "release_limit/buyer-eur")
    assert pack().release_limit("buyer", "DE01", "JPY", ON) is None
    assert pack().release_limit("approver", "DE01", "EUR", ON) is None


@pytest.mark.parametrize(
    ("currency", "amount", "row"),
    [
        ("EUR", "0.01", "two"),
        ("EUR", "250000.00", "two"),
        ("EUR", "250000.01", "three-eur"),
        ("SEK", "9000000.00", "two"),
    ],
)
def test_how_many_release_a_payment_goes_by_its_sum(currency: str, amount: str, row: str) -> None:
    found = pack().payment_release("DE01", currency, ON, Amount(amount))
    assert found == (3 if row.startswith("three") else 2, f"payment_release/{row}")


def test_a_companys_own_row_for_releases_comes_before_the_common_one() -> None:
    own = """[[payment_release]]
id = "own"
from = 2020-01-01
until = "open"
company = "PL02"
currency = "*"
above = "0"
persons = 4

"""
    text = FILES["decisions.toml"]
    changed = pack(FILES | {"decisions.toml": own + text})
    assert errors(check_pack(changed, ESTATE)) == []
    assert changed.payment_release("PL02", "PLN", ON, Amount("2000000.00")) == (4, "payment_release/own")
    assert changed.payment_release("DE01", "EUR", ON, Amount("1.00")) == (2, "payment_release/two")


def test_a_limit_of_releases_needs_its_currency_and_without_a_row_nobody_releases() -> None:
    files = spoiled("decisions", 'currency = "EUR"\nabove = "250000.00"', 'currency = "*"\nabove = "250000.00"')
    read = load_pack(files)
    assert isinstance(read, list)
    assert "needs the currency" in read[0].words
    assert pack().payment_release("DE01", "EUR", date(2019, 1, 1), Amount("1.00")) is None


def test_a_reason_has_its_areas_terms_unless_it_has_its_own() -> None:
    own = """
        [[sla]]
        id = "price"
        from = 2020-01-01
        until = "open"
        company = "DE01"
        code = "match.price_over_limit"
        severity = "critical"
        owner = "control"
        sla_hours = 4
        blocks = "catalogue"
        release = "two"
        escalate_to = "nobody"
    """
    made = pack(FILES | {"decisions.toml": FILES["decisions.toml"] + "\n" + own})
    price, other = reason("match.price_over_limit"), reason("match.quantity_over_ordered")
    terms = made.terms(price, "DE01", ON)
    assert (terms.severity, terms.owner, terms.sla_hours, terms.release, terms.row) == (
        "critical",
        "control",
        4,
        "two",
        "sla/price",
    )
    assert made.terms(price, "PL02", ON).row == "sla/match-area"
    assert made.terms(other, "DE01", ON).escalate_to == "buyer"


def test_a_country_without_its_own_row_has_the_common_one() -> None:
    rows = [pack().country(code, ON) for code in ("DE", "FR")]
    assert [row.retention_years for row in rows if row] == [8, 10]


def test_every_table_of_a_pack_is_used_by_the_baseline() -> None:
    unused = {name for name in TABLES if not pack().table(name)}
    assert unused == {"category"}, "which supplier is what is known to a company, not to a baseline"


def category_row(**changes: str) -> str:
    row = {"id": "power", "supplier": "sup_power", "company": "*", "category": "utilities"} | changes
    return '\n[[category]]\nfrom = 2020-01-01\nuntil = "open"\n' + "".join(f'{k} = "{v}"\n' for k, v in row.items())


def with_categories(*rows: str) -> Pack:
    return pack(FILES | {"matching.toml": FILES["matching.toml"] + "".join(rows)})


def test_a_suppliers_category_decides_where_the_document_says_none() -> None:
    made = with_categories(category_row(), category_row(id="power-pl", company="PL02", category="rent"))
    assert check_pack(made, ESTATE) == []
    assert made.match_policy("DE01", "sup_power", "", "EUR", ON)[1][6] == "matching/utilities"
    assert made.match_policy("PL02", "sup_power", "", "EUR", ON)[1][6] == "matching/rent"
    assert made.match_policy("DE01", "sup_power", "steel", "EUR", ON)[1][6] == "matching/everything"
    assert made.match_policy("DE01", "sup_other", "", "EUR", ON)[1][6] == "matching/everything"


def test_category_rows_that_contradict_or_mean_nothing_are_found() -> None:
    twice = with_categories(category_row(), category_row(id="again", category="rent"))
    assert errors(check_pack(twice, ESTATE)) == [("overlap", ("category/power", "category/again"))]
    assert errors(check_pack(with_categories(category_row(supplier="*")), ESTATE)) == [
        ("unsatisfiable", ("category/power",))
    ]
    (entry,) = check_pack(with_categories(category_row(category="steel")), ESTATE)
    assert (entry.severity, entry.rule) == ("warning", "unknown")
