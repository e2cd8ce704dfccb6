"""The estate: legal entities, systems, who owns what, which ERP books what and when. As typed values.

What stands here was read from `estate.toml` (read.py) and proved (check.py). A question that has no answer gives
None: whoever asks makes a finding of it. Secrets are references (`env:NAME`, `file:path`); their values never come
here. Dates: `from` is the first day, `until` the first day after; the word `open` is the date `OPEN`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import Literal, Protocol, TypeVar

import msgspec

from tripartite.core.estate.calendar import Calendar
from tripartite.core.estate.names import name_key, party_id_text_key, tax_id_key
from tripartite.core.estate.reading import plain_data
from tripartite.core.money import Rate
from tripartite.core.objects.reference import ExchangeRate, TaxCode, TaxKind

Environment = Literal["development", "production"]
Mode = Literal["observe", "propose", "act"]
Role = Literal["procurement", "erp", "ap", "warehouse", "tax", "bank", "identity", "documents"]
DocumentType = Literal["order", "receipt", "invoice", "credit_memo", "payment"]
WordKind = Literal["company", "unit", "tax_code", "order", "cost_centre", "account"]

# The file says "open"; as a date it is the last one there is, so that every comparison of days just works.
OPEN = date.max

DOCUMENT_TYPES: tuple[DocumentType, ...] = ("order", "receipt", "invoice", "credit_memo", "payment")

# Object -> its field groups: what an owner can be named for (requirements R34 to R38).
FIELD_GROUPS: Mapping[str, tuple[str, ...]] = {
    "supplier": ("identity", "tax", "bank", "risk", "terms"),
    "requisition": ("content", "approval"),
    "order": ("content", "approval", "accounting"),
    "receipt": ("content", "acceptance"),
    "invoice": ("image", "content", "accounting", "tax", "payment_status"),
    "payment": ("content", "status"),
    "cost_centre": ("content",),
    "tax_code": ("content",),
    "exchange_rate": ("content",),
}


class Company(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A legal entity. `aliases` are the exact names by which documents call it; `live_from` is its first day here."""

    code: str
    name: str
    country: str  # ISO 3166-1 alpha-2
    currency: str  # ISO 4217, the books' own
    calendar: str
    time_zone: str  # IANA
    live_from: date
    vat_ids: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()  # electronic addresses, "scheme:value"
    registrations: tuple[str, ...] = ()  # register numbers and other identifiers, "scheme:value"
    aliases: tuple[str, ...] = ()


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One system: a connection of a connector kind, in a role, for some companies (or `*`: all of them).

    `modes`: company code or `*` -> observe, propose or act; the company's own word comes before `*`.
    `default_company` receives what names no buyer (an inbox of one company). `own_words` are the kinds of reference
    (units, tax codes ...) in which this system already speaks our words, so that no mapping is needed.
    """

    name: str
    kind: str
    role: Role
    companies: tuple[str, ...]
    modes: dict[str, Mode]
    base_url: str = ""
    default_company: str = ""
    own_words: tuple[WordKind, ...] = ()
    settings: dict[str, str] = {}
    secrets: dict[str, str] = {}

    def serves(self, company_code: str) -> bool:
        return "*" in self.companies or company_code in self.companies


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The system of record of a field group: a connection's name, or a role that one connection of the company has.

    `*` in `fields` or `company` means all; the more exact row wins (company before field group).
    `validated_by` and `approved_by` name who must agree before the others are told (R35).
    """

    object: str
    fields: str
    owner: str
    company: str
    valid_from: date = msgspec.field(name="from")
    until: date
    validated_by: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ERP books a company's documents of a type (or `*`), from a day until a day: a cutover wave is two rows."""

    company: str
    document: str
    connection: str
    valid_from: date = msgspec.field(name="from")
    until: date
    wave: str = ""

    @property
    def row(self) -> str:
        """How a decision cites this row."""
        return f"route:{self.company}/{self.document}/{self.valid_from.isoformat()}->{self.connection}"


class TaxCodeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of our tax codes and what it says between two days; without days it says so on all of them.

    `rate` in percent; `category` by UNTDID 5305 (S, AE, E, Z, K, G, O). A rate that changed is two rows of one code.
    `assessed_rate`: what the buyer assesses himself on a reverse charge, in percent.
    """

    code: str
    country: str
    rate: Rate
    kind: TaxKind
    category: str
    valid_from: date = msgspec.field(name="from", default=date.min)
    until: date = OPEN
    assessed_rate: Rate | None = None

    def tax_code(self) -> TaxCode:
        return TaxCode(
            self.code,
            self.rate,
            self.kind,
            self.country,
            self.category,
            self.valid_from,
            self.until,
            self.assessed_rate,
        )


class WordMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system's word and ours: `foreign` of this `kind` on this connection is `ours`."""

    connection: str
    kind: WordKind
    foreign: str
    ours: str


class OwnAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bank account of a company, in one currency, and the connection through which its bank takes orders for it."""

    company: str
    account: str  # IBAN, or the local account number
    currency: str  # ISO 4217
    connection: str
    institution: str = ""  # BIC, or the local bank code
    holder: str = ""  # where it is not the company's name


class RateRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One unit of `currency` is `rate` units of `into`, from a day on until the next row of the pair."""

    currency: str  # ISO 4217
    into: str
    valid_from: date = msgspec.field(name="from")
    rate: Rate = msgspec.field()


class Subscriber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who hears of our events by webhook. `events` are patterns over the published names (`invoice.posted`,
    `payment.*`, `*`); `companies` are codes, or `*`. `secrets` sign: one, or two while one replaces the other.

    What happened before `from` is not told; what happened since is, whenever the subscriber was added.
    """

    name: str
    url: str
    events: tuple[str, ...]
    companies: tuple[str, ...]
    secrets: tuple[str, ...]  # references, env:NAME or file:path
    valid_from: date = msgspec.field(name="from")
    keep_hours: int = 75  # how long an event is tried before it is set aside

    def hears_of(self, company_code: str) -> bool:
        return "*" in self.companies or company_code in self.companies


class Outbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What outbound calls may do beyond the rule (https to public addresses of a connection's own host)."""

    loopback: bool = False  # development only
    plain_http: bool = False  # development only
    private_hosts: tuple[str, ...] = ()  # hosts that may resolve to a private address


class Dated(Protocol):
    @property
    def valid_from(self) -> date: ...
    @property
    def until(self) -> date: ...


D = TypeVar("D", bound=Dated)


def valid_on(row: Dated, on: date) -> bool:
    return row.valid_from <= on < row.until


def most_exact(candidates: Iterable[tuple[int, D]]) -> tuple[D, ...]:
    """The rows of the highest rank: one is an answer, two are an overlap, none is a gap."""
    ranked = list(candidates)
    best = max((rank for rank, _ in ranked), default=0)
    return tuple(row for rank, row in ranked if rank == best)


class Estate(msgspec.Struct, frozen=True, dict=True):
    """A company's estate. All rows are in the order of the file."""

    name: str
    environment: Environment
    policy: str  # the folder of the policy pack, relative to the file
    companies: tuple[Company, ...]
    calendars: tuple[Calendar, ...]
    connections: tuple[Connection, ...]
    owners: tuple[Owner, ...]
    routes: tuple[Route, ...]
    tax_codes: tuple[TaxCodeRow, ...]
    mappings: tuple[WordMapping, ...] = ()
    outbound: Outbound = Outbound()
    accounts: tuple[OwnAccount, ...] = ()
    rates: tuple[RateRow, ...] = ()
    subscribers: tuple[Subscriber, ...] = ()

    @cached_property
    def exchange(self) -> tuple[ExchangeRate, ...]:
        """The exchange rates as the match takes them."""
        return tuple(ExchangeRate(row.currency, row.into, row.valid_from, row.rate) for row in self.rates)

    @cached_property
    def _companies(self) -> dict[str, Company]:
        return {company.code: company for company in self.companies}

    @cached_property
    def _connections(self) -> dict[str, Connection]:
        return {connection.name: connection for connection in self.connections}

    @cached_property
    def _calendars(self) -> dict[str, Calendar]:
        return {calendar.name: calendar for calendar in self.calendars}

    @cached_property
    def _words(self) -> dict[tuple[str, str, str], str]:
        return {(row.connection, row.kind, row.foreign): row.ours for row in self.mappings}

    @cached_property
    def _names(self) -> dict[tuple[str, str], str]:
        names: dict[tuple[str, str], str] = {}
        for company in self.companies:
            names.update({("tax_id", tax_id_key(text)): company.code for text in company.vat_ids})
            names.update({("party_id", party_id_text_key(text)): company.code for text in company.endpoints})
            names.update({("party_id", party_id_text_key(text)): company.code for text in company.registrations})
            names.update({("name", name_key(text)): company.code for text in (company.name, *company.aliases)})
        return names

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the estate's canonical form: what a decision cites. Comments and order of keys do not count."""
        data = json.dumps(plain_data(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(data.encode()).hexdigest()

    def company(self, code: str) -> Company | None:
        return self._companies.get(code)

    def connection(self, name: str) -> Connection | None:
        return self._connections.get(name)

    def company_named(self, how: Literal["tax_id", "party_id", "name"], key: str) -> str | None:
        """The code of the company with this tax number, identifier or name, in the form of names.py; None: nobody."""
        return self._names.get((how, key))

    def calendar_of(self, company_code: str) -> tuple[Calendar, str] | None:
        """The calendar of a company and its time zone."""
        company = self._companies.get(company_code)
        calendar = self._calendars.get(company.calendar) if company else None
        return (calendar, company.time_zone) if company and calendar else None

    def serving(self, role: str, company_code: str) -> tuple[Connection, ...]:
        """The connections of a role that serve a company."""
        return tuple(entry for entry in self.connections if entry.role == role and entry.serves(company_code))

    def accounts_of(self, company_code: str) -> tuple[OwnAccount, ...]:
        """The company's own bank accounts, in the order of the file: the first of a currency pays in it."""
        return tuple(row for row in self.accounts if row.company == company_code)

    def own_account(self, account: str) -> OwnAccount | None:
        """Whose account this is; None where it is none of ours. Blanks do not count."""
        plain = account.replace(" ", "")
        return next((row for row in self.accounts if row.account.replace(" ", "") == plain), None)

    def companies_of(self, connection_name: str) -> tuple[str, ...]:
        """The company codes a connection serves."""
        connection = self._connections.get(connection_name)
        return tuple(c.code for c in self.companies if connection and connection.serves(c.code))

    def mode(self, connection_name: str, company_code: str) -> Mode | None:
        """How far a connection may act for a company; None where it does not serve it or nobody said."""
        connection = self._connections.get(connection_name)
        if connection is None or not connection.serves(company_code):
            return None
        return connection.modes.get(company_code) or connection.modes.get("*")

    def routes_on(self, company_code: str, document: str, on: date) -> tuple[Route, ...]:
        """The routes that speak for a company, a document type and a day; in a proved estate exactly one (I35)."""
        return most_exact(
            ((row.company != "*") * 2 + (row.document != "*"), row)
            for row in self.routes
            if row.company in (company_code, "*") and row.document in (document, "*") and valid_on(row, on)
        )

    def route(self, company_code: str, document: str, on: date) -> Route | None:
        """The one route, or None (a gap or an overlap is never resolved by guessing). Rule: I35."""
        company = self._companies.get(company_code)
        if company is None or on < company.live_from:
            return None
        found = self.routes_on(company_code, document, on)
        return found[0] if len(found) == 1 else None

    def owners_on(self, kind: str, fields: str, company_code: str, on: date) -> tuple[Owner, ...]:
        """The rows that name an owner; in a proved estate exactly one."""
        return most_exact(
            ((row.company != "*") * 2 + (row.fields != "*"), row)
            for row in self.owners
            if row.object == kind
            and row.fields in (fields, "*")
            and row.company in (company_code, "*")
            and valid_on(row, on)
        )

    def owner(self, kind: str, fields: str, company_code: str, on: date) -> tuple[Owner, Connection] | None:
        """The system of record of a field group and the row that says so; None where it is not one."""
        found = self.owners_on(kind, fields, company_code, on)
        if len(found) != 1:
            return None
        named = self._connections.get(found[0].owner)
        if named is not None:
            return (found[0], named) if named.serves(company_code) else None
        serving = self.serving(found[0].owner, company_code)
        if len(serving) > 1 and found[0].owner == "erp":
            routed = self.route(company_code, "invoice", on)  # several ERPs: the one that books on that day
            serving = tuple(entry for entry in serving if routed and entry.name == routed.connection)
        return (found[0], serving[0]) if len(serving) == 1 else None

    def word(self, connection_name: str, kind: str, foreign: str) -> str | None:
        """Our word for a system's word: by a mapping row, or the same where the system speaks our words; else None."""
        ours = self._words.get((connection_name, kind, foreign))
        if ours is not None:
            return ours
        connection = self._connections.get(connection_name)
        return foreign if connection and foreign and kind in connection.own_words else None

    def foreign_word(self, connection_name: str, kind: str, ours: str) -> str | None:
        """A system's word for ours: its first mapping row, or the same where it speaks our words; else None."""
        for row in self.mappings:
            if (row.connection, row.kind, row.ours) == (connection_name, kind, ours):
                return row.foreign
        connection = self._connections.get(connection_name)
        return ours if connection and ours and kind in connection.own_words else None

    def tax_code_for(
        self, country: str, category: str, rate: Rate | None, on: date | None = None
    ) -> tuple[TaxCodeRow, ...]:
        """Our codes of a country for a category and a rate (None: categories without a rate count as 0), each once.

        `on` is the document's day; None takes the rows of all days.
        """
        wanted = Rate(0) if rate is None else rate
        found = {
            row.code: row
            for row in self.tax_codes
            if row.country == country
            and row.category == category
            and row.rate == wanted
            and row.kind != "withholding"
            and (on is None or valid_on(row, on))
        }
        return tuple(found.values())
