"""Questions about invoices: the list, one with everything beside it, where one stands; counts and sums."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tripartite.components.invoices import quotes, store
from tripartite.components.invoices.deciding import Decider
from tripartite.components.invoices.gathering import gather, keys_of
from tripartite.components.invoices.parting import parts_view
from tripartite.components.invoices.paying import paid_on, payments_of, status_of
from tripartite.components.invoices.store import Row
from tripartite.core import codec
from tripartite.core.matching.result import Pair
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.http_app import Page, Problem, companies_of, may_see, permission


def text(exact: Fraction | Decimal | None) -> str | None:
    """An exact number as a decimal string; a ratio that has no end as `numerator/denominator`."""
    if exact is None:
        return None
    if isinstance(exact, Decimal):
        return format(exact.normalize(), "f") if exact == exact.to_integral_value() else format(exact, "f")
    denominator = exact.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    if denominator != 1:
        return f"{exact.numerator}/{exact.denominator}"
    value = Decimal(exact.numerator) / Decimal(exact.denominator)
    return format(value, "f")


def pair_view(pair: Pair) -> dict[str, Any]:
    """One invoice line beside the order line it met, as strings."""
    numbers = (
        *("ordered", "received", "billed_before", "quantity", "billed", "excess", "bound"),
        *("order_price", "invoice_price", "value", "expected", "variance"),
    )
    return {
        "invoice_line": pair.invoice_line,
        "order_number": pair.order_number,
        "order_line": pair.order_line,
        "unit": pair.unit,
        **{name: text(getattr(pair, name)) for name in numbers},
    }


def _cursor(after: str) -> tuple[datetime, str] | None:
    """Where a page begins: the `next` of the page before. Errors: `Problem` for anything else."""
    at, _, last = after.rpartition("/")
    try:
        return (datetime.fromisoformat(at), last) if after else None
    except ValueError:
        raise Problem("intake.malformed", 400, "`after` is the `next` of an earlier page, and nothing else.") from None


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    decider = Decider(ports)

    async def row_of(connection: Connection, request: Request[Any, Any, Any], invoice_id: str) -> Row:
        row = await store.find(connection, invoice_id)
        if row is None or not may_see(request, row.company_code):
            raise Problem("access.not_found", 404, f"No invoice {invoice_id}.")
        return row

    @get("/v1/invoices", opt=permission("invoice.read"), summary="Invoices, the newest change first")
    async def list_invoices(
        request: Request[Any, Any, Any],
        wanted: Annotated[str, Parameter(query="state")] = "",
        code: str = "",
        q: str = "",
        supplier: str = "",
        order: str = "",
        company: str = "",
        after: str = "",
        limit: int = 50,
    ) -> Page:
        if order and not company:
            raise Problem(
                "intake.malformed", 400, "An order is named with its `company`: numbers repeat among companies."
            )
        cursor = _cursor(after)
        most = max(1, min(limit, 200))
        async with ports.db.connection() as connection:
            found = await store.invoices(
                connection,
                state=wanted,
                code=code,
                text=q,
                supplier=supplier,
                order=(company, order) if order else None,
                after=cursor,
                limit=most,
                companies=companies_of(request),
            )
        following = f"{found[-1]['changed_at'].isoformat()}/{found[-1]['invoice_id']}" if len(found) == most else ""
        return Page(found, following)

    @get("/v1/invoices/totals", opt=permission("invoice.read"), summary="How many invoices stand where")
    async def invoice_totals(request: Request[Any, Any, Any]) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await store.totals(connection, companies_of(request))
        return {"totals": found, "as_of": ports.clock.now().isoformat()}

    @get("/v1/invoices/{invoice_id:str}/status", opt=permission("invoice.read"), summary="Where an invoice stands")
    async def invoice_status(request: Request[Any, Any, Any], invoice_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await status_of(connection, invoice_id)
            if found is None or not may_see(request, found["company_code"]):
                raise Problem("access.not_found", 404, f"No invoice {invoice_id}.")
            parts = await store.parts_of(connection, [invoice_id]) if found["state"] == "replaced" else []
        return {
            **found,
            "parts": parts_view({each.invoice_id: each for each in parts}, invoice_id),
            "as_of": ports.clock.now().isoformat(),
        }

    @get("/v1/invoices/{invoice_id:str}", opt=permission("invoice.read"), summary="One invoice, everything beside it")
    async def one_invoice(request: Request[Any, Any, Any], invoice_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            row = await row_of(connection, request, invoice_id)
            invoice = store.document_of(row)
            around = await gather(
                connection,
                ports.estate,
                row.company_code,
                [row],
                {},
                keys_of(row.company_code, invoice),
                lock=False,
            )
            decisions = await store.decisions_of(connection, invoice_id)
            records = (await store.exceptions_of(connection, [invoice_id])).get(invoice_id, [])
            as_of = await store.as_of_receipts(connection, keys_of(row.company_code, invoice))
            receipts = await store.receipts_of(connection, keys_of(row.company_code, invoice))
            today = decider.today(row.company_code)
            policy_of = decider.policy_of(row.company_code, today)
            results, quoted = await quotes.evaluated(connection, ports.estate, around, [invoice_id], policy_of, today)
            payments = (await payments_of(connection, [invoice_id])).get(invoice_id, [])
        found = results[invoice_id]
        supplier = around.suppliers.get(row.supplier_id)
        return {
            "invoice_id": row.invoice_id,
            "company_code": row.company_code,
            "number": row.number,
            "kind": row.kind,
            "supplier_id": row.supplier_id,
            "supplier_name": supplier.name if supplier else row.supplier_name,
            "currency": row.currency,
            "issued_on": row.issued_on,
            "arrived_at": row.arrived_at,
            "gross": row.gross,
            "net": row.net,
            "tax": row.tax,
            "state": row.state,
            "verdict": row.verdict,
            "payment_block": row.payment_block,
            "payable_now": row.payable_now,
            "money_at_risk": row.money_at_risk,
            "reason_codes": row.reason_codes,
            "waits_for": row.waits_for,
            "document": row.document,
            "posted_at": row.posted_at,
            "part_of": row.part_of,
            "parts": parts_view(around.rows, invoice_id),
            "paid_on": paid_on(payments),
            "payments": payments,
            "correlation_id": row.correlation_id,
            "connection": row.connection,
            "source_document": row.source_document,
            "intake_id": row.intake_id,
            "digest": row.digest,
            "decisions": [{**each, "result": codec.plain_json(each["result"]), "at": each["at"]} for each in decisions],
            "exceptions": [
                codec.builtins(record) for record in sorted(records, key=lambda r: (not r.is_open, r.opened_at))
            ],
            "content": codec.builtins(invoice),
            "orders": [codec.builtins(order) for order in around.orders.values()],
            "receipts": [codec.builtins(receipt) for receipt in receipts],
            "receipts_as_of": {number: at for (_, number), at in as_of.items()},
            "pairs": [pair_view(pair) for pair in found.pairs],
            "allocations": [
                {
                    "invoice_line": entry.invoice_line,
                    "order_number": entry.order_number,
                    "order_line": entry.order_line,
                    "receipt_number": entry.receipt_number,
                    "receipt_line": entry.receipt_line,
                    "quantity": text(entry.quantity),
                }
                for entry in found.allocations
            ],
            "findings_now": [codec.builtins(finding) for finding in found.findings],
            "tax_figures": [codec.builtins(each) for each in quotes.figures_of(ports.estate, around, row, quoted)],
            "beside": [
                {
                    "invoice_id": other.invoice_id,
                    "number": other.number,
                    "state": other.state,
                    "gross": other.gross,
                    "issued_on": other.issued_on,
                }
                for other in around.rows.values()
                if other.invoice_id != invoice_id and may_see(request, other.company_code)
            ],
            "as_of": ports.clock.now().isoformat(),
        }

    return [list_invoices, invoice_totals, invoice_status, one_invoice]
