"""Which ERP must have an order, and what keeps it from going there. Pure: the estate, the supplier, the day are given.

Procurement approved the order; that is not asked again. What is asked is whether the ERP can take it: the supplier is
in good standing and has a number there, and every cost centre and account has a word there (R74 to R76).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date

import msgspec

from tripartite.core import codec
from tripartite.core.estate import Estate
from tripartite.core.findings import Finding
from tripartite.core.objects import Order, OrderLine, Supplier

PUBLISH_ORDER = "publish_order"
Writes = Callable[[str], bool]  # whether a connector kind can be written orders to


class Wanted(msgspec.Struct, frozen=True):
    """The order in the ERP's words, or the findings that keep it here."""

    payload: Order | None
    findings: tuple[Finding, ...]


def target_of(order: Order, source: str, estate: Estate, on: date, writes: Writes, *, published_to: str = "") -> str:
    """The connection that must have this version of the order; empty where none must.

    An order stays with the ERP that has it, whatever a later route says: nothing is ordered in two books (I35). A
    draft is not approved, so it goes nowhere; what was never published is not published closed or cancelled.
    """
    if order.status == "draft" or (order.status in ("closed", "cancelled") and not published_to):
        return ""
    route = estate.route(order.company_code, "order", on)
    name = published_to or (route.connection if route else "")
    configured = estate.connection(name)
    if configured is None or name == source or not writes(configured.kind):
        return ""
    if configured.settings.get("publish_orders", "on") == "off":
        return ""  # procurement's own integration brings them
    return name if estate.mode(name, order.company_code) in ("propose", "act") else ""


def enriched(order: Order, supplier: Supplier | None, estate: Estate, connection: str) -> Wanted:
    """The order as the ERP is told it: its numbers and words, and nothing that it has no use for.

    A cancellation goes even for a supplier who is blocked meanwhile.
    """
    findings = list(_of_supplier(order, supplier, connection))
    missing: list[str] = []
    lines = tuple(_line(line, estate, connection, missing) for line in order.lines)
    if missing:
        words = f"{connection} has no word for {', '.join(missing)} of order {order.number}."
        findings.append(
            Finding(
                code="integration.mapping_missing", breach="; ".join(missing), unit="words", words=words, rule="R75"
            )
        )
    if findings:
        return Wanted(None, tuple(findings))
    assert supplier is not None
    payload = msgspec.structs.replace(
        order,
        company_code=estate.foreign_word(connection, "company", order.company_code) or order.company_code,
        supplier_number=supplier.names_elsewhere[connection],
        supplier=None,
        buyer=None,
        notes=(),
        lines=lines,
        extra={},
    )
    return Wanted(payload, ())


def content_digest(payload: Order) -> str:
    """SHA-256 of what the ERP is told, without the version: two versions that tell it the same are one write."""
    return hashlib.sha256(codec.encode(msgspec.structs.replace(payload, version=0))).hexdigest()


def _of_supplier(order: Order, supplier: Supplier | None, connection: str) -> list[Finding]:
    named = order.supplier_number or order.supplier_id
    if not order.supplier_id:
        return [_finding("supplier.unknown", f"Order {order.number} names supplier {named!r}, who is not on file.")]
    if supplier is None:
        return [
            _finding("integration.parent_awaited", f"Supplier {named} of order {order.number} has not arrived yet.")
        ]
    if order.status != "cancelled":
        if supplier.status == "blocked":
            return [_finding("supplier.blocked", f"Supplier {supplier.number} of order {order.number} is blocked.")]
        if supplier.status != "active":
            words = f"Supplier {supplier.number} of order {order.number} is {supplier.status}."
            return [_finding("supplier.inactive", words)]
    if not supplier.names_elsewhere.get(connection):
        words = f"{connection} has no number for supplier {supplier.number} of order {order.number}."
        return [_finding("integration.mapping_missing", words)]
    return []


def _finding(code: str, words: str) -> Finding:
    return Finding(code=code, words=words, rule="R74")


def _line(line: OrderLine, estate: Estate, connection: str, missing: list[str]) -> OrderLine:
    coding: dict[str, str] = {}
    for kind, ours in (("cost_centre", line.cost_centre), ("account", line.account)):
        theirs = estate.foreign_word(connection, kind, ours) if ours else ""
        if theirs is None:
            missing.append(f"{kind} {ours!r} (line {line.line})")
        coding[kind] = theirs or ""
    return msgspec.structs.replace(
        line,
        unit=estate.foreign_word(connection, "unit", line.unit) or line.unit,
        tax_codes=tuple(estate.foreign_word(connection, "tax_code", code) or code for code in line.tax_codes),
        cost_centre=coding["cost_centre"],
        account=coding["account"],
        details="",
        note="",
        foreign_id="",
    )
