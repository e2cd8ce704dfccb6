"""The estate: what it refuses, what it proves, what it answers."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.estate_samples import KINDS, TEXT, Kind, estate, findings, one_route, spoiled
from tripartite.core.estate import DOCUMENT_TYPES, FIELD_GROUPS, Wrong, check_estate, load_estate
from tripartite.core.estate.reading import line_of
from tripartite.core.money import Rate

ON = date(2026, 11, 24)


def wrong(text: str) -> list[Wrong]:
    read = load_estate(text)
    assert isinstance(read, list), "expected this estate to be refused"
    return read


def test_the_estate_that_init_writes_is_complete_and_consistent() -> None:
    assert findings(TEXT) == []


def test_an_unknown_key_is_refused_with_its_line() -> None:
    text = spoiled('calendar = "germany"', 'calender = "germany"\ncalendar = "germany"')
    (entry,) = wrong(text)
    assert entry.key == "company[1].calender"
    assert text.splitlines()[entry.line - 1].startswith("calender")


def test_everything_wrong_shows_at_once_and_not_only_the_first() -> None:
    text = spoiled('role = "ap"', 'role = "printer"').replace('kind = "exempt"', 'kind = "maybe"', 1)
    assert [entry.key for entry in wrong(text)] == ["connection[2].role", "tax_code[3].kind"]


def test_a_float_is_refused_because_it_is_not_exact() -> None:
    (entry,) = wrong(spoiled('rate = "19"', "rate = 19.0"))
    assert entry.key == "tax_code[1].rate"
    assert "not exact" in entry.words


def test_a_missing_table_is_said_by_name() -> None:
    assert {entry.key for entry in wrong('[estate]\nname = "x"')} >= {"company", "route", "owner", "calendar"}


def test_a_secret_written_out_is_refused_and_not_repeated() -> None:
    entries = wrong(spoiled('"env:TRIPARTITE_SAP_PASSWORD"', '"hunter2-canary"'))
    assert entries[0].key == "connection[3].secrets.password"
    assert "hunter2-canary" not in str(entries)


def test_broken_toml_names_its_line() -> None:
    (entry,) = wrong("[estate]\nname = \n")
    assert entry.line == 2


@pytest.mark.parametrize("until", ['"2026-13-45"', '"later"', "12"])
def test_an_end_that_is_no_day_is_refused(until: str) -> None:
    text = TEXT.replace(one_route("DE01", "sap"), one_route("DE01", "sap", until=until))
    assert wrong(text)[0].key == "route[1].until"


@given(st.text(max_size=400))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    assert isinstance(load_estate(text), list)


# Each row: what is changed, the rule that must speak, a word its sentence must hold.
SPOILED = [
    (('currency = "PLN"', 'currency = "PLZ"'), "currency", "ISO 4217"),
    (('time_zone = "Europe/Vienna"', 'time_zone = "Europe/Wien"'), "time_zone", "IANA"),
    (('calendar = "poland"', 'calendar = "polonia"'), "calendar", "polonia"),
    (('vat_ids = ["ATU13585627"]', 'vat_ids = ["DE 812 345 673"]'), "unique", "DE01 and AT04"),
    (('aliases = ["Norddal Austria"]', 'aliases = ["norddal  POLSKA"]'), "unique", "PL02 and AT04"),
    (('fri = "08:00-15:00"', 'fri = "15:00-08:00"'), "hours", "15:00-08:00"),
    (('kind = "capture"', 'kind = "captur"'), "kind", "captur"),
    (('companies = ["DE01", "PL02"]', 'companies = ["DE01", "PL03"]'), "company", "PL03"),
    (('modes = { DE01 = "act", PL02 = "act" }', 'modes = { DE01 = "act" }'), "mode", "PL02"),
    (('default_company = "DE01"', 'default_company = "XX"'), "company", "XX"),
    (("plain_http = true", "plain_http = false"), "address", "without TLS"),
    (("loopback = true", "loopback = false"), "address", "this machine"),
    (('environment = "development"', 'environment = "production"'), "address", "in production"),
    (('object = "receipt"', 'object = "reciept"'), "owner", "reciept"),
    (('fields = "payment_status"', 'fields = "payment"'), "owner", "payment"),
    (('code = "VRC"', 'code = "V19"'), "unique", "V19"),
    (('category = "AE"', 'category = "K"'), "tax", "which one"),
    (('rate = "19"', 'rate = "190"'), "tax", "outside"),
    (('ours = "V19"', 'ours = "V20"'), "mapping", "V20"),
    (('name = "acme"', 'name = "erp"'), "name", "erp"),
]


@pytest.mark.parametrize(("change", "rule", "word"), SPOILED, ids=[f"{rule}-{word}" for _, rule, word in SPOILED])
def test_what_does_not_hold_is_found_with_place_and_sentence(change: tuple[str, str], rule: str, word: str) -> None:
    found = [entry for entry in findings(spoiled(*change)) if entry.rule == rule and entry.severity == "error"]
    assert any(word in entry.words and entry.line > 0 for entry in found), found


def test_an_incomplete_cutover_leaves_a_gap_that_is_named_with_its_first_day() -> None:
    text = TEXT.replace(one_route("AT04", "acme"), one_route("AT04", "acme", until="2027-01-01"))
    gaps = [entry.words for entry in findings(text) if entry.rule == "route.gap"]
    assert gaps[0] == "a order of AT04 on 2027-01-01 has no ERP to go to"
    assert len(gaps) == len(DOCUMENT_TYPES)


def test_two_erps_on_one_day_are_an_overlap_even_if_it_lasts_one_day() -> None:
    waves = one_route("AT04", "acme", until="2027-01-02") + "\n" + one_route("AT04", "sap", since="2027-01-01")
    text = TEXT.replace(one_route("AT04", "acme"), waves).replace('companies = ["DE01", "PL02"]', 'companies = ["*"]')
    text = text.replace('modes = { DE01 = "act", PL02 = "act" }', 'modes = { "*" = "act" }')
    assert {entry.rule for entry in findings(text)} == {"route.overlap", "owner"}


def test_a_cutover_wave_moves_a_company_on_one_day_without_gap_or_overlap() -> None:
    waves = one_route("AT04", "acme", until="2027-01-01") + "\n" + one_route("AT04", "sap", since="2027-01-01")
    text = TEXT.replace(one_route("AT04", "acme"), waves).replace('companies = ["DE01", "PL02"]', 'companies = ["*"]')
    text = text.replace('modes = { DE01 = "act", PL02 = "act" }', 'modes = { "*" = "act" }')
    assert findings(text) == []
    moved = estate(text)
    before, after = (moved.route("AT04", "invoice", day) for day in (date(2026, 12, 31), date(2027, 1, 1)))
    assert (before and before.connection, after and after.connection) == ("acme", "sap")
    # Who owns the accounting of AT04 moves with the route, on the same day.
    owner = moved.owner("invoice", "accounting", "AT04", date(2027, 1, 1))
    assert owner is not None
    assert owner[1].name == "sap"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["DE01", "*"]), st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=5),
    st.integers(0, 60),
)
def test_where_the_check_is_silent_every_day_has_exactly_one_route(
    rows: list[tuple[str, int, int]], day_number: int
) -> None:
    first = date(2026, 1, 1).toordinal()
    body = "".join(
        one_route(
            company,
            "sap",
            until=date.fromordinal(first + start + length).isoformat(),
            since=date.fromordinal(first + start).isoformat(),
        )
        for company, start, length in rows
    )
    text = TEXT.replace(one_route("DE01", "sap"), body + one_route("DE01", "sap", since="2026-02-10"))
    built = estate(text)
    silent = not [entry for entry in check_estate(built, {}) if entry.rule in ("route.gap", "route.overlap")]
    on = date.fromordinal(first + day_number)
    if silent:
        assert len(built.routes_on("DE01", "invoice", on)) == 1
        assert built.route("DE01", "invoice", on) is not None


def test_no_route_is_given_before_a_company_is_live_or_for_an_unknown_one() -> None:
    assert estate().route("DE01", "invoice", date(2025, 12, 31)) is None
    assert estate().route("XX", "invoice", ON) is None


def test_every_field_group_of_every_company_has_one_system_of_record() -> None:
    built = estate()
    for company in built.companies:
        for kind, groups in FIELD_GROUPS.items():
            for group in groups:
                assert built.owner(kind, group, company.code, ON) is not None, (company.code, kind, group)


def test_procurement_owns_the_supplier_and_the_erp_its_tax_fields() -> None:
    identity, tax = (estate().owner("supplier", fields, "DE01", ON) for fields in ("identity", "tax"))
    assert identity is not None
    assert (identity[1].name, identity[0].validated_by, identity[0].approved_by) == ("coupa", ("erp",), ("finance",))
    assert tax is not None
    assert tax[1].name == "sap"


def test_two_owners_of_the_same_rank_are_an_overlap() -> None:
    again = (
        '[[owner]]\nobject = "receipt"\nfields = "*"\nowner = "sap"\ncompany = "*"\nfrom = 2026-06-01\nuntil = "open"\n'
    )
    found = [entry.words for entry in findings(TEXT + again) if entry.rule == "owner.overlap"]
    assert found[0] == "receipt.content of DE01 on 2026-06-01 has two owner rows (procurement and sap)"


def test_an_owner_by_role_that_means_two_systems_is_refused() -> None:
    text = spoiled('name = "acme"\nkind = "acme"\nrole = "erp"', 'name = "acme"\nkind = "acme"\nrole = "procurement"')
    assert any("2 connections" in entry.words for entry in findings(text) if entry.rule == "owner")


def test_how_far_a_connection_may_act_is_the_companys_own_word_before_the_common_one() -> None:
    text = spoiled('modes = { "*" = "act" }', 'modes = { "*" = "act", PL02 = "observe" }')
    built = estate(text)
    assert (built.mode("coupa", "DE01"), built.mode("coupa", "PL02")) == ("act", "observe")
    assert built.mode("acme", "DE01") is None, "a company it does not serve"


def test_the_digest_is_of_what_is_said_and_not_of_how_the_file_looks() -> None:
    assert estate(TEXT + "\n# a remark\n").digest == estate().digest
    assert estate(spoiled('rate = "19"', 'rate = "20"')).digest != estate().digest


def test_a_tax_code_is_found_by_country_category_and_rate() -> None:
    assert [row.code for row in estate().tax_code_for("DE", "S", Rate("19.00"))] == ["V19"]
    assert [row.code for row in estate().tax_code_for("DE", "AE", None)] == ["VRC"]
    assert estate().tax_code_for("DE", "S", Rate("20")) == ()


def test_a_systems_word_is_mapped_both_ways_or_missing() -> None:
    built = estate()
    assert built.word("sap", "tax_code", "V1") == "V19"
    assert built.foreign_word("sap", "tax_code", "V19") == "V1"
    assert built.word("sap", "tax_code", "V9") is None
    assert built.word("coupa", "tax_code", "V19") == "V19", "coupa is declared to speak our tax codes"


def test_a_place_is_found_in_nested_tables_of_rows() -> None:
    text = '[[a]]\nx = 1\n[a.b]\ny = 2\n\n[[a]]\nx = 3\n[a.b]\n"z z" = 4\n'
    assert line_of(text, ("a", 1, "b", "z z")) == 9
    assert line_of(text, ("a", 0, "b", "y")) == 4
    assert line_of(text, ("a", 1, "missing")) == 6


def dated(code: str, rate: str, since: str, until: str) -> str:
    row = f'[[tax_code]]\ncode = "{code}"\ncountry = "DE"\nrate = "{rate}"\nkind = "normal"\ncategory = "S"\n'
    return f"{row}from = {since}\nuntil = {until}\n\n"


V19 = '[[tax_code]]\ncode = "V19"\ncountry = "DE"\nrate = "19"\nkind = "normal"\ncategory = "S"\n'


def test_a_rate_that_changed_is_two_rows_of_one_code() -> None:
    text = spoiled(V19, dated("V19", "19", "2026-01-01", "2026-07-01") + dated("V19", "16", "2026-07-01", '"open"'))
    assert findings(text) == []
    built = estate(text)
    june, july = date(2026, 6, 30), date(2026, 7, 1)
    assert [row.code for row in built.tax_code_for("DE", "S", Rate("16"), july)] == ["V19"]
    assert built.tax_code_for("DE", "S", Rate("16"), june) == ()
    assert [row.code for row in built.tax_code_for("DE", "S", Rate("19"))] == ["V19"]


@pytest.mark.parametrize(
    ("rows", "rule", "word"),
    [
        (dated("V19", "19", "2026-01-01", "2026-07-02") + dated("V19", "16", "2026-07-01", '"open"'), "unique", "V19"),
        (dated("V19", "19", "2026-07-01", "2026-07-01"), "dates", "not after it begins"),
        (dated("V19", "19", "2026-01-01", '"open"') + dated("V20", "19", "2026-05-01", '"open"'), "tax", "which one"),
        (
            dated("V19", "19", "2026-01-01", "2026-07-01")
            + dated("V19", "16", "2026-07-01", '"open"').replace('category = "S"', 'category = "Z"'),
            "tax",
            "only its rate may change",
        ),
        (V19 + 'assessed_rate = "19"\n\n', "tax", "on a reverse charge only"),
    ],
)
def test_rows_of_a_tax_code_that_contradict_one_another_are_found(rows: str, rule: str, word: str) -> None:
    found = [entry for entry in findings(spoiled(V19, rows)) if entry.rule == rule]
    assert any(word in entry.words and entry.line > 0 for entry in found), found


# Own bank accounts

BANK = """
[[connection]]
name = "our_bank"
kind = "some_bank"
role = "bank"
companies = ["DE01"]
modes = { "*" = "act" }
"""


def _account(**changes: str) -> str:
    row = {
        "company": "DE01",
        "account": "DE89370400440532013000",
        "currency": "EUR",
        "connection": "our_bank",
        **changes,
    }
    return "\n[[account]]\n" + "".join(f'{key} = "{value}"\n' for key, value in row.items())


def _found(text: str, writes: tuple[str, ...] = ("send_payment_order",)) -> list[tuple[str, str]]:
    kinds = {**KINDS, "some_bank": Kind(("bank",), writes=writes)}
    return [(entry.rule, entry.key) for entry in check_estate(estate(text), kinds, text) if entry.severity == "error"]


def test_a_company_pays_from_the_first_account_of_a_currency() -> None:
    text = TEXT + BANK + _account() + _account(account="DE02120300000000202051", institution="BYLADEM1001")
    assert _found(text) == []
    made = estate(text)
    assert [row.account[-4:] for row in made.accounts_of("DE01")] == ["3000", "2051"]
    assert made.accounts_of("PL02") == ()
    own = made.own_account("DE89 3704 0044 0532 0130 00")
    assert own is not None
    assert own.company == "DE01"
    assert made.own_account("FR1420041010050500013M02606") is None
    assert made.digest != estate(TEXT).digest


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"company": "XX99"}, [("company", "account[1].company"), ("account", "account[1].connection")]),
        ({"currency": "EURO"}, [("currency", "account[1].currency")]),
        ({"account": " "}, [("account", "account[1].account")]),
        ({"connection": "sap"}, [("account", "account[1].connection")]),
        ({"connection": "nobody"}, [("account", "account[1].connection")]),
        ({"company": "PL02"}, [("account", "account[1].connection")]),
    ],
)
def test_an_account_that_nobody_could_pay_from_is_found(changes: dict[str, str], found: list[tuple[str, str]]) -> None:
    assert _found(TEXT + BANK + _account(**changes)) == found


def test_an_account_stands_once_and_its_bank_takes_orders() -> None:
    assert _found(TEXT + BANK + _account() + _account()) == [("unique", "account[2]")]
    assert _found(TEXT + BANK + _account(), writes=()) == [("account", "account[1].connection")]


# Exchange rates


def _rate(**changes: str) -> str:
    row = {"currency": '"USD"', "into": '"EUR"', "from": "2026-01-01", "rate": '"0.92"', **changes}
    return "\n[[exchange_rate]]\n" + "".join(f"{key} = {value}\n" for key, value in row.items())


def test_exchange_rates_are_the_estates_word_and_are_proved_with_it() -> None:
    made = estate(TEXT + _rate() + _rate(**{"from": "2026-06-01", "rate": '"0.90"'}))
    assert [(each.from_currency, each.to_currency, str(each.rate)) for each in made.exchange] == [
        ("USD", "EUR", "0.92"),
        ("USD", "EUR", "0.90"),
    ]
    assert _found(TEXT + _rate()) == []
    assert _found(TEXT + _rate() + _rate()) == [("unique", "exchange_rate[2]")]
    assert _found(TEXT + _rate(into='"EURO"')) == [("currency", "exchange_rate[1].into")]
    assert _found(TEXT + _rate(rate='"0"')) == [("exchange_rate", "exchange_rate[1].rate")]
    assert _found(TEXT + _rate(into='"USD"')) == [("exchange_rate", "exchange_rate[1].rate")]
