"""Proves an estate complete and consistent, before anything runs. Each finding has a place and a sentence.

Dated rows are proved at every day on which any of them begins or ends; between two such days nothing changes, so the
proof holds for every day from a company's first on (I35).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal, Protocol
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from tripartite.core.contracts.names import matching
from tripartite.core.estate.calendar import WEEKDAYS, spans
from tripartite.core.estate.model import (
    DOCUMENT_TYPES,
    FIELD_GROUPS,
    OPEN,
    Company,
    Connection,
    Dated,
    Estate,
    Subscriber,
    TaxCodeRow,
)
from tripartite.core.estate.names import name_key, party_id_text_key, tax_id_key
from tripartite.core.estate.reading import Path, key_of, line_of
from tripartite.core.money import CURRENCIES

_CODE = re.compile(r"[A-Z0-9]{2,8}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_LOOPBACK = frozenset(["localhost", "127.0.0.1", "::1"])
ROLES = frozenset(["procurement", "erp", "ap", "warehouse", "tax", "bank", "identity", "documents"])


class KindFacts(Protocol):
    """What a connector's manifest says that the estate must agree with."""

    @property
    def roles(self) -> Sequence[str]: ...
    @property
    def auth(self) -> str: ...
    @property
    def writes(self) -> Sequence[str]: ...


class EstateFinding(msgspec.Struct, frozen=True):
    """Something in the estate that does not hold. `error` stops the estate from running; `warning` is to be read."""

    severity: Literal["error", "warning"]
    rule: str
    key: str
    line: int
    words: str


class _Findings:
    def __init__(self, text: str) -> None:
        self.text = text
        self.all: list[EstateFinding] = []

    def error(self, rule: str, path: Path, words: str) -> None:
        self.all.append(EstateFinding("error", rule, key_of(path), line_of(self.text, path), words))

    def warning(self, rule: str, path: Path, words: str) -> None:
        self.all.append(EstateFinding("warning", rule, key_of(path), line_of(self.text, path), words))


def check_estate(estate: Estate, kinds: Mapping[str, KindFacts], text: str = "") -> list[EstateFinding]:
    """Everything about the estate that is incomplete or contradicts itself; empty where it may run.

    `kinds` are the connector kinds that exist. With the file's `text` each finding has its line.
    """
    found = _Findings(text)
    _companies(estate, found)
    _calendars(estate, found)
    _connections(estate, kinds, found)
    _owners(estate, found)
    _routes(estate, kinds, found)
    _tax_codes(estate, found)
    _mappings(estate, found)
    _accounts(estate, kinds, found)
    _rates(estate, found)
    _subscribers(estate, found)
    return found.all


def _twice(found: _Findings, table: str, names: Iterable[object], words: str) -> None:
    seen: dict[object, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            found.error("unique", (table, index), f"{words} {name} stands twice; first as {table}[{seen[name] + 1}]")
        else:
            seen[name] = index


def _companies(estate: Estate, found: _Findings) -> None:
    _twice(found, "company", [c.code for c in estate.companies], "company")
    named: dict[tuple[str, str], str] = {}
    calendars = {calendar.name for calendar in estate.calendars}
    for index, company in enumerate(estate.companies):
        here: Path = ("company", index)
        if not _CODE.match(company.code):
            found.error("name", (*here, "code"), f"company code {company.code!r} is not 2 to 8 of A-Z, 0-9")
        if not _COUNTRY.match(company.country):
            found.error("country", (*here, "country"), f"{company.country!r} is not an ISO 3166-1 code of two letters")
        if company.currency not in CURRENCIES:
            found.error("currency", (*here, "currency"), f"{company.currency!r} is not an ISO 4217 code")
        if company.calendar not in calendars:
            found.error("calendar", (*here, "calendar"), f"there is no calendar {company.calendar!r}")
        try:
            ZoneInfo(company.time_zone)
        except (KeyError, ValueError, OSError):
            found.error("time_zone", (*here, "time_zone"), f"{company.time_zone!r} is not an IANA time zone")
        if not company.vat_ids and not company.aliases and not company.endpoints:
            found.warning("company", here, f"{company.code} has no name by which an invoice could find it")
        _names_of(company, here, named, found)
        if not any(entry.role == "erp" and entry.serves(company.code) for entry in estate.connections):
            found.error("role", here, f"no ERP connection serves {company.code}")
        if not any(entry.role in ("ap", "documents") and entry.serves(company.code) for entry in estate.connections):
            found.warning("role", here, f"no connection brings invoices for {company.code}")


def _names_of(company: Company, here: Path, named: dict[tuple[str, str], str], found: _Findings) -> None:
    for kind, values, key_of_value in (
        ("vat_ids", company.vat_ids, tax_id_key),
        ("endpoints", company.endpoints, party_id_text_key),
        ("registrations", company.registrations, party_id_text_key),
        ("aliases", (company.name, *company.aliases), name_key),
    ):
        for value in values:
            key = key_of_value(value)
            if not key:
                found.error("name", (*here, kind), f"{value!r} is not written scheme:value")
                continue
            other = named.setdefault((kind, key), company.code)
            if other != company.code:
                found.error("unique", (*here, kind), f"{value!r} names both {other} and {company.code}")


def _calendars(estate: Estate, found: _Findings) -> None:
    _twice(found, "calendar", [c.name for c in estate.calendars], "calendar")
    for index, calendar in enumerate(estate.calendars):
        open_days = 0
        for day in WEEKDAYS:
            hours = spans(getattr(calendar, day))
            if hours is None:
                words = f"{getattr(calendar, day)!r} is not hours; write 08:00-12:00 13:00-17:00, or closed"
                found.error("hours", ("calendar", index, day), words)
            elif hours:
                open_days += 1
        if not open_days:
            found.error("hours", ("calendar", index), f"calendar {calendar.name} never opens, so nothing falls due")


def _connections(estate: Estate, kinds: Mapping[str, KindFacts], found: _Findings) -> None:
    _twice(found, "connection", [c.name for c in estate.connections], "connection")
    codes = {company.code for company in estate.companies}
    for index, entry in enumerate(estate.connections):
        here: Path = ("connection", index)
        if not _NAME.match(entry.name) or entry.name in ROLES:
            found.error("name", (*here, "name"), f"{entry.name!r} is not a name (lower case; no role's name)")
        facts = kinds.get(entry.kind)
        if facts is None:
            known = ", ".join(sorted(kinds))
            found.error("kind", (*here, "kind"), f"there is no connector kind {entry.kind!r}; there are {known}")
        else:
            if entry.role not in facts.roles:
                words = f"a {entry.kind} cannot be {entry.role}; it can be {', '.join(facts.roles)}"
                found.error("role", (*here, "role"), words)
            if facts.auth != "none" and not entry.secrets:
                found.error("secrets", here, f"{entry.name} signs in by {facts.auth} and names no secret")
        _companies_of(entry, here, codes, found)
        _address(estate, entry, here, found)


def _companies_of(entry: Connection, here: Path, codes: set[str], found: _Findings) -> None:
    for code in entry.companies:
        if code != "*" and code not in codes:
            found.error("company", (*here, "companies"), f"there is no company {code!r}")
    if not entry.companies:
        found.error("company", (*here, "companies"), f"{entry.name} serves no company; write '*' for all")
    for code in entry.modes:
        if code != "*" and (code not in codes or not entry.serves(code)):
            found.error("mode", (*here, "modes"), f"a mode for {code!r}, which {entry.name} does not serve")
    for code in sorted(codes):
        if entry.serves(code) and code not in entry.modes and "*" not in entry.modes:
            found.error(
                "mode", (*here, "modes"), f"nobody said whether {entry.name} observes, proposes or acts for {code}"
            )
    if entry.default_company and (entry.default_company not in codes or not entry.serves(entry.default_company)):
        words = f"the default company {entry.default_company!r} is not one that {entry.name} serves"
        found.error("company", (*here, "default_company"), words)


def _address(estate: Estate, entry: Connection, here: Path, found: _Findings) -> None:
    if not entry.base_url:
        return
    parts = urlsplit(entry.base_url)
    place: Path = (*here, "base_url")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        found.error("address", place, f"{entry.base_url!r} is not an https address")
        return
    if parts.username or parts.password or parts.query or parts.fragment:
        found.error("address", place, "an address carries no user, password, query or fragment")
    if parts.scheme == "http" and not estate.outbound.plain_http:
        found.error("address", place, f"{entry.name} is called without TLS; outbound.plain_http does not allow it")
    if parts.hostname in _LOOPBACK and not estate.outbound.loopback:
        found.error("address", place, f"{entry.name} is on this machine; outbound.loopback does not allow it")
    if estate.environment == "production" and (parts.scheme == "http" or parts.hostname in _LOOPBACK):
        found.error("address", place, f"{entry.name} uses a development address in production")


def _boundaries(company: Company, rows: Iterable[Dated]) -> list[date]:
    """The days on which anything may change for a company, its first day included."""
    days = {company.live_from}
    for row in rows:
        days.add(row.valid_from)
        days.add(row.until)
    return sorted(day for day in days if company.live_from <= day < OPEN)


def _spans_time(row: Dated, path: Path, found: _Findings) -> None:
    if row.until <= row.valid_from:
        found.error("dates", (*path, "until"), f"ends {row.until}, not after it begins on {row.valid_from}")


def _owners(estate: Estate, found: _Findings) -> None:
    codes = {company.code for company in estate.companies}
    for index, row in enumerate(estate.owners):
        here: Path = ("owner", index)
        groups = FIELD_GROUPS.get(row.object)
        if groups is None:
            found.error(
                "owner", (*here, "object"), f"there is no object {row.object!r}; there are {_list(FIELD_GROUPS)}"
            )
        elif row.fields != "*" and row.fields not in groups:
            found.error(
                "owner", (*here, "fields"), f"{row.object} has no field group {row.fields!r}; it has {_list(groups)}"
            )
        if row.company != "*" and row.company not in codes:
            found.error("company", (*here, "company"), f"there is no company {row.company!r}")
        for name in (row.owner, *row.validated_by):
            if name not in ROLES and estate.connection(name) is None:
                found.error("owner", (*here, "owner"), f"{name!r} is neither a connection nor a role")
        _spans_time(row, here, found)
    for company in estate.companies:
        for kind, groups in FIELD_GROUPS.items():
            for group in groups:
                _owned(estate, company, kind, group, found)


def _owned(estate: Estate, company: Company, kind: str, group: str, found: _Findings) -> None:
    # A role may mean another connection after a cutover, so the days of the routes count too.
    owners = [row for row in estate.owners if row.object == kind]
    days = _boundaries(company, [*owners, *(row for row in estate.routes if row.company in (company.code, "*"))])
    for day in days:
        speaking = estate.owners_on(kind, group, company.code, day)
        what = f"{kind}.{group} of {company.code} on {day}"
        if not speaking:
            found.error("owner.gap", ("owner",), f"{what} has no system of record")
            return
        if len(speaking) > 1:
            names = " and ".join(sorted({row.owner for row in speaking}))
            path: Path = ("owner", estate.owners.index(speaking[-1]))
            found.error("owner.overlap", path, f"{what} has two owner rows ({names})")
            return
        if estate.owner(kind, group, company.code, day) is None:
            path = ("owner", estate.owners.index(speaking[0]))
            serving = estate.serving(speaking[0].owner, company.code)
            words = (
                f"{what}: {speaking[0].owner!r} is {len(serving)} connections of that company, not one"
                if speaking[0].owner in ROLES
                else f"{what}: {speaking[0].owner!r} does not serve that company"
            )
            found.error("owner", path, words)
            return


def _routes(estate: Estate, kinds: Mapping[str, KindFacts], found: _Findings) -> None:
    codes = {company.code for company in estate.companies}
    for index, row in enumerate(estate.routes):
        here: Path = ("route", index)
        if row.company != "*" and row.company not in codes:
            found.error("company", (*here, "company"), f"there is no company {row.company!r}")
        if row.document != "*" and row.document not in DOCUMENT_TYPES:
            words = f"there is no document type {row.document!r}; there are {_list(DOCUMENT_TYPES)}"
            found.error("route", (*here, "document"), words)
        target = estate.connection(row.connection)
        if target is None:
            found.error("route", (*here, "connection"), f"there is no connection {row.connection!r}")
        elif target.role != "erp":
            found.error("route", (*here, "connection"), f"{row.connection} is {target.role}; only an ERP books")
        elif row.company != "*" and not target.serves(row.company):
            found.error("route", (*here, "connection"), f"{row.connection} does not serve {row.company}")
        elif target.kind in kinds and not kinds[target.kind].writes:
            found.error("route", (*here, "connection"), f"a {target.kind} cannot be written to")
        _spans_time(row, here, found)
    for company in estate.companies:
        for document in DOCUMENT_TYPES:
            _routed(estate, company, document, found)


def _routed(estate: Estate, company: Company, document: str, found: _Findings) -> None:
    rows = [row for row in estate.routes if row.company in (company.code, "*") and row.document in (document, "*")]
    for day in _boundaries(company, rows):
        speaking = estate.routes_on(company.code, document, day)
        what = f"a {document} of {company.code} on {day}"
        if not speaking:
            found.error("route.gap", ("route",), f"{what} has no ERP to go to")
            return
        if len(speaking) > 1:
            names = " and ".join(sorted({row.connection for row in speaking}))
            path: Path = ("route", estate.routes.index(speaking[-1]))
            found.error("route.overlap", path, f"{what} has two routes ({names}): an order booked in both")
            return
        target = estate.connection(speaking[0].connection)
        if target is not None and not target.serves(company.code):
            path = ("route", estate.routes.index(speaking[0]))
            found.error("route", path, f"{what} goes to {target.name}, which does not serve {company.code}")
            return


def _tax_codes(estate: Estate, found: _Findings) -> None:
    # Two codes for one category and rate on one day would leave the choice to the order of the file.
    seen: dict[tuple[str, str, str], list[TaxCodeRow]] = {}
    rows_of: dict[str, list[tuple[int, TaxCodeRow]]] = {}
    for index, row in enumerate(estate.tax_codes):
        here: Path = ("tax_code", index)
        _spans_time(row, here, found)
        for place, earlier in rows_of.setdefault(row.code, []):
            if _share_a_day(earlier, row):
                words = f"tax code {row.code} stands twice; first as tax_code[{place + 1}]"
                found.error("unique", here, words)
                break
            if (earlier.country, earlier.kind, earlier.category) != (row.country, row.kind, row.category):
                words = f"{row.code} changes its country, kind or category; only its rate may change with the days"
                found.error("tax", here, words)
                break
        rows_of[row.code].append((index, row))
        if not 0 <= row.rate <= 100:
            found.error("tax", (*here, "rate"), f"a rate of {row.rate} % is outside 0 to 100")
        if row.assessed_rate is not None and (row.kind != "reverse_charge" or not 0 <= row.assessed_rate <= 100):
            words = f"{row.code}: the buyer assesses tax himself on a reverse charge only, at 0 to 100 %"
            found.error("tax", (*here, "assessed_rate"), words)
        if not _COUNTRY.match(row.country):
            found.error("country", (*here, "country"), f"{row.country!r} is not an ISO 3166-1 code of two letters")
        if row.kind == "withholding":
            continue
        key = (row.country, row.category, str(row.rate.normalize()))
        others = seen.setdefault(key, [])
        other = next((one for one in others if one.code != row.code and _share_a_day(one, row)), None)
        if other is not None:
            words = (
                f"{other.code} and {row.code} are both {row.country} {row.category} {row.rate} %: which one is meant?"
            )
            found.error("tax", here, words)
        others.append(row)
    countries = {row.country for row in estate.tax_codes}
    for index, company in enumerate(estate.companies):
        if company.country not in countries:
            found.error("tax", ("company", index, "country"), f"there is no tax code of {company.country}")


def _share_a_day(one: Dated, other: Dated) -> bool:
    return one.valid_from < other.until and other.valid_from < one.until


def _mappings(estate: Estate, found: _Findings) -> None:
    _twice(found, "mapping", [(row.connection, row.kind, row.foreign) for row in estate.mappings], "mapping of")
    codes = {company.code for company in estate.companies}
    tax_codes = {row.code for row in estate.tax_codes}
    for index, row in enumerate(estate.mappings):
        here: Path = ("mapping", index)
        if estate.connection(row.connection) is None:
            found.error("mapping", (*here, "connection"), f"there is no connection {row.connection!r}")
        if not row.foreign or not row.ours:
            found.error("mapping", here, "a mapping has two words; an empty one is a guess")
        if row.kind == "company" and row.ours not in codes:
            found.error("mapping", (*here, "ours"), f"there is no company {row.ours!r}")
        if row.kind == "tax_code" and row.ours not in tax_codes:
            found.error("mapping", (*here, "ours"), f"there is no tax code {row.ours!r}")


def _accounts(estate: Estate, kinds: Mapping[str, KindFacts], found: _Findings) -> None:
    _twice(found, "account", [row.account.replace(" ", "") for row in estate.accounts], "bank account")
    for index, row in enumerate(estate.accounts):
        here: Path = ("account", index)
        if estate.company(row.company) is None:
            found.error("company", (*here, "company"), f"there is no company {row.company!r}")
        if row.currency not in CURRENCIES:
            found.error("currency", (*here, "currency"), f"{row.currency!r} is not an ISO 4217 code")
        if not row.account.strip():
            found.error("account", (*here, "account"), "an account without a number pays nobody")
        bank = estate.connection(row.connection)
        if bank is None or bank.role != "bank" or not bank.serves(row.company):
            words = f"{row.connection!r} is no bank connection that serves {row.company}"
            found.error("account", (*here, "connection"), words)
        elif (facts := kinds.get(bank.kind)) is not None and "send_payment_order" not in facts.writes:
            found.error("account", (*here, "connection"), f"a {bank.kind} takes no payment orders")


def _rates(estate: Estate, found: _Findings) -> None:
    days = [f"{row.currency} in {row.into} from {row.valid_from}" for row in estate.rates]
    _twice(found, "exchange_rate", days, "exchange rate")
    for index, row in enumerate(estate.rates):
        here: Path = ("exchange_rate", index)
        for name, code in (("currency", row.currency), ("into", row.into)):
            if code not in CURRENCIES:
                found.error("currency", (*here, name), f"{code!r} is not an ISO 4217 code")
        if row.currency == row.into or row.rate <= 0:
            found.error("exchange_rate", (*here, "rate"), "a rate is above zero, between two currencies")


def _subscribers(estate: Estate, found: _Findings) -> None:
    names = [*(entry.name for entry in estate.connections), *(entry.name for entry in estate.subscribers)]
    codes = {company.code for company in estate.companies}
    for index, entry in enumerate(estate.subscribers):
        here: Path = ("subscriber", index)
        if not _NAME.match(entry.name) or entry.name in ROLES:
            found.error("name", (*here, "name"), f"{entry.name!r} is not a name (lower case; no role's name)")
        if names.count(entry.name) > 1:
            found.error("unique", (*here, "name"), f"{entry.name!r} names another subscriber or connection too")
        for pattern in entry.events:
            if not matching([pattern]):
                words = f"no published event is named {pattern!r}; docs/events.md lists them"
                found.error("events", (*here, "events"), words)
        if not entry.events:
            found.error("events", (*here, "events"), f"{entry.name} hears of nothing; write '*' for all")
        for code in entry.companies:
            if code != "*" and code not in codes:
                found.error("company", (*here, "companies"), f"there is no company {code!r}")
        if not entry.companies:
            found.error("company", (*here, "companies"), f"{entry.name} hears of no company; write '*' for all")
        if not 1 <= len(entry.secrets) <= 2:
            words = f"{entry.name} has {len(entry.secrets)} secrets; one signs, and two while one replaces the other"
            found.error("secrets", (*here, "secrets"), words)
        if not 1 <= entry.keep_hours <= 24 * 30:
            found.error("dates", (*here, "keep_hours"), "an event is tried for 1 to 720 hours")
        _subscriber_address(estate, entry, (*here, "url"), found)


def _subscriber_address(estate: Estate, entry: Subscriber, place: Path, found: _Findings) -> None:
    """Webhooks go to public https addresses at port 443. On this machine anything goes, for development only."""
    try:
        parts = urlsplit(entry.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("https", "http"):
        found.error("address", place, f"{entry.url!r} is not an https address")
        return
    if parts.username or parts.password or parts.fragment:
        found.error("address", place, "an address carries no user, password or fragment")
    if host in _LOOPBACK:
        if not estate.outbound.loopback or estate.environment == "production":
            words = f"{entry.name} is on this machine; only a development estate with outbound.loopback allows it"
            found.error("address", place, words)
    elif parts.scheme != "https" or port not in (None, 443):
        found.error("address", place, f"{entry.name}: a webhook goes to https at port 443 and nowhere else")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
