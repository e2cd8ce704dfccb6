"""`estate.toml` into an `Estate`: the shape of every row and the meaning of every word, not their agreement.

Whether the rows agree with one another is check.py's question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from tripartite.core.estate.calendar import Calendar
from tripartite.core.estate.model import (
    Company,
    Connection,
    Environment,
    Estate,
    Outbound,
    OwnAccount,
    Owner,
    RateRow,
    Route,
    Subscriber,
    TaxCodeRow,
    WordMapping,
)
from tripartite.core.estate.reading import (
    Path,
    Wrong,
    convert,
    convert_rows,
    key_of,
    line_of,
    parse_toml,
    unknown_tables,
)

FILE = "estate.toml"
_TABLES = frozenset(
    [
        *("estate", "outbound", "company", "calendar", "connection", "owner", "route", "tax_code", "mapping"),
        *("account", "exchange_rate", "subscriber"),
    ]
)
_SECRET = re.compile(r"(env:[A-Z][A-Z0-9_]{0,99}|file:[^\x00-\x1f]{1,400})\Z")


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["tripartite-estate-1"]
    name: str
    environment: Environment
    policy: str


def load_estate(text: str, file: str = FILE) -> Estate | list[Wrong]:
    """The estate in `text`, or everything wrong with its shape, each with file, line and key. Never raises.

    Unknown keys are refused. A secret that is not a reference is refused without being repeated.
    """
    table = parse_toml(file, text)
    if isinstance(table, Wrong):
        return [table]
    wrong = unknown_tables(file, text, table, _TABLES)
    for name in ("estate", "company", "calendar", "connection", "route", "owner", "tax_code"):
        if not table.get(name):
            wrong.append(Wrong(file, 0, name, "is missing"))
    wrong += _literal_secrets(file, text, table)
    if wrong:
        return wrong
    head = convert(file, text, table["estate"], _Head, ("estate",))
    outbound = convert(file, text, table.get("outbound", {}), Outbound, ("outbound",))
    companies, bad_companies = convert_rows(file, text, table, "company", Company)
    calendars, bad_calendars = convert_rows(file, text, table, "calendar", Calendar)
    connections, bad_connections = convert_rows(file, text, table, "connection", Connection)
    owners, bad_owners = convert_rows(file, text, table, "owner", Owner)
    routes, bad_routes = convert_rows(file, text, table, "route", Route)
    codes, bad_codes = convert_rows(file, text, table, "tax_code", TaxCodeRow)
    mappings, bad_mappings = convert_rows(file, text, table, "mapping", WordMapping)
    accounts, bad_accounts = convert_rows(file, text, table, "account", OwnAccount)
    rates, bad_rates = convert_rows(file, text, table, "exchange_rate", RateRow)
    subscribers, bad_subscribers = convert_rows(file, text, table, "subscriber", Subscriber)
    wrong = [entry for entry in (head, outbound) if isinstance(entry, Wrong)]
    wrong += [*bad_companies, *bad_calendars, *bad_connections, *bad_owners, *bad_routes, *bad_codes, *bad_mappings]
    wrong += [*bad_accounts, *bad_rates, *bad_subscribers]
    if wrong or isinstance(head, Wrong) or isinstance(outbound, Wrong):
        return sorted(wrong, key=lambda entry: entry.line)
    return Estate(
        name=head.name,
        environment=head.environment,
        policy=head.policy,
        companies=companies,
        calendars=calendars,
        connections=connections,
        owners=owners,
        routes=routes,
        tax_codes=codes,
        mappings=mappings,
        outbound=outbound,
        accounts=accounts,
        rates=rates,
        subscribers=subscribers,
    )


def _literal_secrets(file: str, text: str, table: dict[str, Any]) -> list[Wrong]:
    # Before any conversion, whose messages could repeat a value.
    words = "a secret is written as a reference, env:NAME or file:path; never as its value"
    return [
        Wrong(file, line_of(text, path), key_of(path), words)
        for kind in ("connection", "subscriber")
        for path, value in _secrets(kind, table.get(kind, []))
        if not isinstance(value, str) or not _SECRET.match(value)
    ]


def _secrets(kind: str, rows: Any) -> Iterator[tuple[Path, Any]]:
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        secrets = row.get("secrets", {}) if isinstance(row, dict) else {}
        named = (
            secrets.items() if isinstance(secrets, dict) else enumerate(secrets if isinstance(secrets, list) else [])
        )
        for name, value in named:
            yield (kind, index, "secrets", name), value
