"""What was set aside, by connection and reason, and what each would do if it were sent again now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tripartite.components.console import words
from tripartite.components.console.formats import Formats, exact
from tripartite.components.console.views import links


class Letter(msgspec.Struct, frozen=True):
    """One delivery that was set aside. `stays` is why it would not go now; empty: it goes."""

    key: str
    what: str
    href: str
    company: str
    since: str
    tries: int
    money: str
    detail: str
    would: str
    stays: str
    correlation_id: str


class Group(msgspec.Struct, frozen=True):
    """Deliveries of one reason to one connection, with the sum of each currency that they hold up."""

    connection: str
    reason: str
    meaning: str
    since: str
    sums: tuple[str, ...]
    letters: tuple[Letter, ...]

    @property
    def free(self) -> int:
        """How many would go now."""
        return sum(1 for each in self.letters if not each.stays)


def groups(rows: Sequence[Mapping[str, Any]], formats: Formats) -> list[Group]:
    """`/v1/dead-letters` by connection and reason, the largest group first."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["connection"], row["reason_code"]), []).append(row)
    made = [
        Group(
            connection=connection,
            reason=reason,
            meaning=words.meaning(reason),
            since=min(str(row["since"]) for row in parts),
            sums=tuple(sums_of(parts, formats)),
            letters=tuple(_letter(row, formats) for row in parts),
        )
        for (connection, reason), parts in found.items()
    ]
    return sorted(made, key=lambda group: (-len(group.letters), group.connection, group.reason))


def sums_of(rows: Sequence[Mapping[str, Any]], formats: Formats) -> list[str]:
    """The money at risk, one sum for each currency; an object that is set aside twice counts once."""
    once = {(row.get("object_id") or row.get("message_id"), row["currency"]): row for row in rows if row["currency"]}
    totals: dict[str, Any] = {}
    for row in once.values():
        totals[row["currency"]] = totals.get(row["currency"], 0) + (exact(row["gross"]) or 0)
    return [formats.money(total, currency) for currency, total in sorted(totals.items())]


def _letter(row: Mapping[str, Any], formats: Formats) -> Letter:
    unsure = row["state"] == "dead_letter" and row["reason_code"] == "posting.outcome_unknown"
    held = ", ".join(words.meaning(code) for code in row["held_for"])
    return Letter(
        key=row["key"],
        what=words.operation(row["operation"]),
        href=links.invoice(row["object_id"]) if row["object_kind"] == "invoice" else "",
        company=row["company_code"],
        since=str(row["since"]),
        tries=int(row["attempts"]) + int(row["probes"]),
        money=formats.money(row["gross"], row["currency"]) if row["currency"] else "",
        detail=row["detail"],
        would="asked for first, then sent if it is surely not there" if unsure else "sent again under its old key",
        stays=held,
        correlation_id=row["correlation_id"],
    )
