"""What every reader of Coupa's records needs: strict decoding, exact numbers, business days, words, companies.

Trouble with a record leaves a reader as `Drift` and becomes `Unreadable` in one place (`make_reader`), with a code
and a JSON pointer. Nothing here knows a particular object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeVar

import msgspec

from tripartite.connectors.coupa.transform.settings import Settings
from tripartite.connectors.coupa.transform.words import DROPPED
from tripartite.connectors.coupa.wire import Account, Allocation, Currency, ShipTo, Wire, strangers
from tripartite.core.codec import Malformed, read_strict
from tripartite.core.money import Amount, CurrencyInvalid, NumberInvalid, Price, check_currency
from tripartite.core.quantity import Quantity
from tripartite.runtime.protocol import Canonical, ObjectKind, Raw, Read, Reader, ReadResult, Unreadable

DRIFTED = "integration.contract_drifted"
SCHEMA = "integration.schema_violated"
UNMAPPED = "integration.mapping_missing"

W = TypeVar("W", bound=Wire)
T = TypeVar("T")
N = TypeVar("N", Amount, Price, Quantity)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?\Z")
_PLACES: Mapping[type[Decimal], int] = {Amount: 6, Price: 20, Quantity: 12}


class Drift(Exception):
    """The record is not what the contract says; ends the reading of this one record."""

    def __init__(self, pointer: str, detail: str, code: str = DRIFTED) -> None:
        super().__init__(detail)
        self.unreadable = Unreadable(code, pointer, detail)


def make_reader(
    kind: ObjectKind, shape: type[W], translate: Callable[[W, Settings], Canonical], settings: Settings
) -> Reader:
    """A reader of one kind: bytes in, the canonical object or `Unreadable` out; never an exception for bad bytes."""

    def read(raw: Raw) -> Read:
        try:
            record = read_strict(raw.content, shape)
            value = translate(record, settings)
        except Malformed as error:
            return Unreadable(error.reason_code.replace("intake.schema_", "integration.schema_"), *_place(error))
        except Drift as drift:
            return drift.unreadable
        return ReadResult(kind, value, _dropped(kind, raw.content, shape))

    return read


def _place(error: Malformed) -> tuple[str, str]:
    return error.pointer, error.detail


def _dropped(kind: ObjectKind, content: bytes, shape: type[Wire]) -> tuple[str, ...]:
    """Every key that was not read: those dropped on purpose by name, the others marked as strangers."""
    known = DROPPED[kind]
    return tuple(
        name if name in known else f"unrecognised: {name}" for name in strangers(msgspec.json.decode(content), shape)
    )


def word(table: Mapping[str, T], stated: str | None, pointer: str, what: str) -> T:
    """What `stated` means to us. Errors: `Drift` for a word that stands in no table, or none at all."""
    if stated is None:
        raise Drift(pointer, f"{what} is missing", SCHEMA)
    if stated not in table:
        raise Drift(pointer, f"{what} {stated[:60]!r} is not a word we know")
    return table[stated]


def number(kind: type[N], text: str | None, pointer: str) -> N:
    """An exact number as Coupa writes it: a plain decimal string. Zeros beyond our decimals are cut, digits are not.

    Rounding: none. Errors: `Drift` with `intake.amount_invalid`, or `integration.schema_violated` when it is missing.
    """
    if text is None:
        raise Drift(pointer, "a number is missing", SCHEMA)
    whole, point, decimals = text.partition(".")
    if point and len(decimals) > _PLACES[kind]:
        head, rest = decimals[: _PLACES[kind]], decimals[_PLACES[kind] :]
        text = f"{whole}.{head}" if not rest.strip("0") else text
    try:
        return kind.parse(text)
    except NumberInvalid as error:
        raise Drift(pointer, str(error), NumberInvalid.reason_code) from None


def optional_number(kind: type[N], text: str | None, pointer: str) -> N | None:
    """As `number`, None where nothing is stated."""
    return None if text is None else number(kind, text, pointer)


def currency_of(stated: Currency | None, pointer: str) -> str:
    """An ISO 4217 code. Errors: `Drift`."""
    if stated is None or stated.code is None:
        raise Drift(pointer, "the currency is missing", SCHEMA)
    try:
        return check_currency(stated.code)
    except CurrencyInvalid as error:
        raise Drift(pointer, str(error), CurrencyInvalid.reason_code) from None


def moment(text: str, pointer: str) -> datetime:
    """A time as stated, with its offset; without one it is UTC. Errors: `Drift`."""
    if _DAY.match(text):
        text += "T00:00"
    try:
        if not _MOMENT.match(text):
            raise ValueError(text)
        stated = datetime.fromisoformat(text)
        if not 1900 <= stated.year <= 2200:
            raise ValueError(text)
    except ValueError:
        raise Drift(pointer, f"{text[:40]!r} is not an ISO 8601 time", "intake.value_out_of_range") from None
    return stated if stated.tzinfo else stated.replace(tzinfo=UTC)


def entered_day(text: str | None, settings: Settings, pointer: str) -> date | None:
    """The day of a date field. Coupa keeps it as a time: midnight UTC when it came without a zone (API, files),
    midnight in the company's zone when a person entered it. So midnight UTC is that day; anything else is first
    converted to the company's zone, then cut.

    Example: 2025-01-31T00:00:00-08:00 is 31 January in Los Angeles, though it is 08:00 UTC.
    """
    if not text:
        return None
    stated = moment(text, pointer)
    in_utc = stated.astimezone(UTC)
    return in_utc.date() if in_utc.time() == time() else _cut(stated, settings)


def day_of_moment(text: str | None, settings: Settings, pointer: str) -> date | None:
    """The day on which something happened, in the company's zone. Only a time stated in UTC as midnight is taken for a
    bare date: with an offset of its own, midnight UTC is an ordinary afternoon on the Pacific coast.
    """
    if not text:
        return None
    stated = moment(text, pointer)
    if not stated.utcoffset() and stated.time() == time():
        return stated.date()
    return _cut(stated, settings)


def _cut(stated: datetime, settings: Settings) -> date:
    # Without a declared zone the stated offset is the best witness of where the day was.
    return stated.astimezone(settings.zone).date() if settings.zone else stated.date()


def seconds(text: str, pointer: str) -> int:
    """`updated-at` as a version: whole seconds since 1970, which a later change can only raise."""
    return int(moment(text, pointer).timestamp())


def accounts_of(
    single: Account | None, split: tuple[Allocation, ...] | None, pointer: str
) -> Iterator[tuple[str, Account]]:
    """Every account a line is coded to, with its pointer."""
    if single is not None:
        yield f"{pointer}/account", single
    for position, part in enumerate(split or ()):
        if part.account is not None:
            yield f"{pointer}/account-allocations/{position}/account", part.account


def coding(accounts: Iterable[tuple[str, Account]], settings: Settings) -> tuple[str, str]:
    """Account code and cost centre of a line; empty where it is split, since one line of ours has one coding."""
    found = [account for _, account in accounts]
    if len(found) != 1:
        return "", ""
    centre = segment(found[0], settings.cost_centre_from) if settings.cost_centre_from else None
    return found[0].code or "", centre or ""


def segment(account: Account, name: str) -> str | None:
    """The value of `segment-N`."""
    value: str | None = getattr(account, name.replace("-", "_"))
    return value


def company_words(
    accounts: Iterable[tuple[str, Account]], ship_to: ShipTo | None, settings: Settings
) -> list[tuple[str, str]]:
    """Each word by which a record names its company under this connection's settings, with its pointer."""
    source = settings.company_from
    if source == "content-group":
        groups = (ship_to and ship_to.content_groups) or ()
        return [
            (f"/ship-to-address/content-groups/{position}/name", group.name)
            for position, group in enumerate(groups)
            if group.name
        ]
    words = []
    for pointer, account in accounts:
        if source.startswith("segment-"):
            found, place = segment(account, source), f"{pointer}/{source}"
        else:
            chart = account.account_type
            found, place = chart.name if chart else None, f"{pointer}/account-type/name"
        if found:
            words.append((place, found))
    return words


def company_code(words: list[tuple[str, str]], settings: Settings) -> str:
    """The company of a document: our code where the settings list the word, the word as stated where they list none
    (the mapping then has the say), empty where the record names no company or is not to be asked.

    Errors: `Drift` with `integration.mapping_missing` for a word the settings do not list, or for two companies in
    one document: a document belongs to one set of books.
    """
    if not settings.company_from:
        return ""
    found: dict[str, str] = {}
    for pointer, stated in words:
        code = stated if settings.company_same else settings.companies.get(stated, "")
        if not code:
            # A delivery address may belong to many content groups; only those that are listed name a company.
            if settings.company_from == "content-group":
                continue
            raise Drift(pointer, f"no setting `company.{stated[:60]}` says which company this is", UNMAPPED)
        found[code] = pointer
    if words and not found:
        raise Drift(words[0][0], "no content group of the delivery address is listed as a company", UNMAPPED)
    if len(found) > 1:
        raise Drift(list(found.values())[1], f"one document names two companies: {', '.join(found)}", UNMAPPED)
    return next(iter(found), "")
