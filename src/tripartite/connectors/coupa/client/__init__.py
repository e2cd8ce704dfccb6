"""Talks to Coupa: token, pace, pages, questions, the one write, and what each answer means. Reads no amounts.

A package, since it is long: session.py makes single calls with a token, paging.py tells how pages join up, answers.py
how failures are told apart; here is the connector's client over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.client.answers import CoupaFailure, Query, is_json
from tripartite.connectors.coupa.client.calls import Calls, after, fields_of
from tripartite.connectors.coupa.client.invoices import InvoiceReports
from tripartite.connectors.coupa.client.paging import PAGE, Cursor, Record, joins, line_ids, page_of, pulled
from tripartite.connectors.coupa.client.receiving import Receiving
from tripartite.connectors.coupa.client.session import Session, whole_seconds
from tripartite.connectors.coupa.transform import write_mark_exported
from tripartite.connectors.coupa.transform.settings import SettingInvalid, read_settings
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    ClientPorts,
    Connection,
    HttpFailure,
    ObjectKind,
    Outbound,
    Page,
    ProbeAnswer,
    Pulled,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    WebhookEvent,
    WebhookRefused,
)

FLAG_FIELDS = '["id","updated-at","po-number","exported"]'
OVERLAP_SECONDS = 300

PATHS: Mapping[ObjectKind, str] = {
    "supplier": "/suppliers",
    "requisition": "/requisitions",
    "order": "/purchase_orders",
    "receipt": "/receiving_transactions",
    "budget": "/budget_lines",
}
SHAPES: Mapping[ObjectKind, type[wire.Wire]] = {
    "supplier": wire.Supplier,
    "requisition": wire.Requisition,
    "order": wire.Order,
    "receipt": wire.Receipt,
    "budget": wire.BudgetLine,
}
# Removed lines of a changed order vanish silently unless they are asked for.
EXTRAS: Mapping[ObjectKind, tuple[tuple[str, str], ...]] = {"order": (("show_deleted_lines", "true"),)}


def connect(connection: Connection, ports: ClientPorts) -> CoupaClient:
    """A client of one connection. Errors: `SettingInvalid` for a setting that cannot be meant."""
    return CoupaClient(connection, ports)


class CoupaClient:
    """`runtime.protocol.Client` for Coupa. Many callers may share one: they share its token and its pace."""

    def __init__(self, connection: Connection, ports: ClientPorts) -> None:
        settings = connection.settings
        known = read_settings(settings)
        self._ports = ports
        self._session = Session(connection, ports)
        self._by_offset = settings.get("paging", "id") == "offset"
        self._calls = Calls(self._session, ports, by_offset=self._by_offset)
        self._receiving = Receiving(self._calls)
        self._invoices = InvoiceReports(self._calls)
        self._cost_centre = known.cost_centre_from
        if settings.get("paging", "id") not in {"id", "offset"}:
            raise SettingInvalid("paging", "id or offset")
        self._overlap = timedelta(seconds=whole_seconds(settings, "overlap_seconds", OVERLAP_SECONDS))
        self._since = settings.get("start_at", "")
        wanted = {known.company_from, known.cost_centre_from}
        unused = {f"segment-{place}" for place in range(1, 21)} - wanted
        custom = known.over_percent_field or known.under_percent_field
        self._without = frozenset(unused if custom else unused | {"custom-fields"})

    # Streams, documents, questions

    async def pull(self, stream: ObjectKind, cursor: str, limit: int) -> Page:
        """The next page of a stream, at most `limit` documents (or 50). Errors: `CoupaFailure`."""
        at = msgspec.json.decode(cursor, type=Cursor) if cursor else Cursor(since=self._since)
        if self._by_offset:
            return await self._pull_by_offset(stream, at)
        size = max(1, min(limit, PAGE))
        window = [("updated_at[gt_or_eq]", at.since)] if at.since else []
        records, told = await self._list(stream, [*window, *after(at.after, size)])
        return page_of(
            stream, at, records, told, more=len(records) >= size, overlap=self._overlap, by_offset=self._by_offset
        )

    async def _pull_by_offset(self, stream: ObjectKind, at: Cursor) -> Page:
        window = [("updated_at[gt_or_eq]", at.since)] if at.since else []
        records, told = await self._list(stream, [*window, ("offset", str(at.offset)), ("limit", str(PAGE))])
        if not joins(at, records):
            # The page does not join the one before: rows moved up by more than the overlap. Look further back.
            back = msgspec.structs.replace(at, offset=max(0, at.offset - PAGE))
            return Page((), msgspec.json.encode(back).decode(), more=True)
        return page_of(
            stream, at, records, told, more=len(records) >= PAGE, overlap=self._overlap, by_offset=self._by_offset
        )

    async def fetch(self, kind: ObjectKind, key: str) -> Pulled | None:
        """One document by its key: an order by number, a supplier by number (`#id` without one), the others by id."""
        if kind == "order":
            found = await self._all(kind, [("po_number", key)])
        elif kind == "supplier" and not key.startswith("#"):
            found = await self._all(kind, [("number", key)])
        else:
            found = await self._one(kind, key.removeprefix("#"))
        return pulled(kind, found[0]) if found else None

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        """A question of the manifest; an empty answer means that Coupa knows of none.

        order_by_number (number); supplier_by_number (number); orders_of_supplier (supplier_number: open orders only);
        receipts_of_order (order_number or order, and order_line where only one line is meant); requisition_by_number
        and approval_status (number: the requisition with its chain of approvals); budget_check (cost_centre: its budget
        lines, since Coupa itself has no check; none where no setting says which segment the cost centre is).
        """
        kind: ObjectKind
        match question:
            case "order_by_number":
                kind = "order"
                found = await self._all("order", [("po_number", parameters["number"])])
            case "supplier_by_number":
                kind = "supplier"
                found = await self._all("supplier", [("number", parameters["number"])])
            case "orders_of_supplier":
                open_ones = [("supplier[number]", parameters["supplier_number"]), ("status[in]", "issued,exported")]
                kind = "order"
                found = await self._all("order", open_ones)
            case "receipts_of_order":
                kind = "receipt"
                number = parameters.get("order_number") or parameters["order"]
                found = await self._receipts(number, parameters.get("order_line", ""))
            case "requisition_by_number" | "approval_status":
                kind = "requisition"
                found = await self._one("requisition", parameters["number"])
            case "budget_check":
                kind = "budget"
                segment = self._cost_centre.replace("-", "_")
                found = await self._all("budget", [(segment, parameters["cost_centre"])]) if segment else ()
            case _:
                raise AssertionError(f"the manifest names no question {question!r}")
        return tuple(pulled(kind, record) for record in found)

    async def _receipts(self, number: str, line: str) -> Sequence[Record]:
        # A receipt refers to the id of an order line; the order itself says which ids those are.
        orders = await self._all("order", [("po_number", number)])
        lines = [entry for record in orders for entry in line_ids(record.content, line)]
        if not lines:
            return ()
        return await self._all("receipt", [("order_line[id][in]", ",".join(lines))])

    # Writes

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Each write in turn: Coupa has no bulk. The answers stand in the order of the items."""
        return [await self._submit(item) for item in items]

    async def _submit(self, item: Outbound) -> Answer:
        match item.operation:
            case "mark_exported":
                return await self._mark_exported(item)
            case "record_receipt":
                return await self._receiving.submit(item)
            case "report_payment":
                return await self._invoices.submit_payment(item)
            case "report_posting":
                return await self._invoices.submit_posting(item)
            case _:
                raise AssertionError(f"the manifest names no operation {item.operation!r}")

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Asks for what the write would have left: the mark on the order line, the payment, the record, the flag."""
        match item.operation:
            case "record_receipt":
                return await self._receiving.probe(item)
            case "report_payment":
                return await self._invoices.probe_payment(item)
            case "report_posting":
                return await self._invoices.probe_posting(item)
        found = await self._flag(_marked(item))
        if isinstance(found, RetryLater | Rejected):
            return found
        return Settled(str(found.id)) if found.exported else Absent("the order is not marked as exported")

    async def _mark_exported(self, item: Outbound) -> Answer:
        number = _marked(item)
        found = await self._flag(number)
        if isinstance(found, RetryLater | Rejected):
            return found
        if found.exported:
            return Settled(str(found.id), "was marked already")
        query = [("exported", "true"), ("fields", FLAG_FIELDS)]
        try:
            response = await self._session.call("PUT", f"{PATHS['order']}/{found.id}", query, "order.mark_exported")
        except CoupaFailure as failure:
            # No token, so the order was never touched.
            return RetryLater(str(failure), failure.after_seconds)
        except HttpFailure as failure:
            reason = self._session.hidden(str(failure))
            return Unknown(reason) if failure.sent else RetryLater(reason)
        answer = self._calls.meaning(wire.Key, response)
        if not isinstance(answer, wire.Key):
            return answer
        # Only a record that shows the flag set is a yes.
        return Settled(str(answer.id)) if answer.exported else Unknown("success, but the flag does not show")

    async def _flag(self, number: str) -> wire.Key | RetryLater | Rejected:
        query = [("po_number", number), ("fields", FLAG_FIELDS)]
        try:
            records, _ = await self._calls.records(PATHS["order"], query, "order.flag")
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        if len(records) != 1 or records[0].key.po_number != number:
            return Rejected("order_unknown", f"Coupa knows {len(records)} orders of number {number}")
        return records[0].key

    async def check(self) -> str:
        """Asks for a token and for one supplier: harmless, and shows that address, secret and scopes are right."""
        records, _ = await self._calls.records(
            PATHS["supplier"], [("limit", "1"), ("fields", '["id","updated-at"]')], "check"
        )
        return f"Coupa at {self._session.base} answers; suppliers can be read ({len(records)} asked for)."

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Never called: Coupa's call-outs have a form the customer configures, without a signature to verify."""
        raise WebhookRefused("intake.signature_invalid", "Coupa sends no signed webhooks")

    async def close(self) -> None:
        """Forgets the token."""
        self._session.forget()

    # Lists and records

    async def _list(self, kind: ObjectKind, query: Query) -> tuple[Sequence[Record], datetime]:
        return await self._calls.page(PATHS[kind], [*query, *self._shape(kind)], f"{kind}.list")

    async def _all(self, kind: ObjectKind, query: Query) -> Sequence[Record]:
        return await self._calls.all(PATHS[kind], [*query, *self._shape(kind)], f"{kind}.list")

    def _shape(self, kind: ObjectKind) -> list[tuple[str, str]]:
        return [*EXTRAS.get(kind, ()), ("fields", fields_of(SHAPES[kind], self._without))]

    async def _one(self, kind: ObjectKind, key: str) -> Sequence[Record]:
        if not (key.isascii() and key.isdigit()):
            return ()
        response = await self._calls.answered("GET", f"{PATHS[kind]}/{key}", self._shape(kind), f"{kind}.get")
        if response.status_code == 404 and is_json(response):
            return ()
        if response.status_code != 200:
            self._session.refuse(response, PATHS[kind])
        return (self._calls.record(response.content, PATHS[kind]),)


def _marked(item: Outbound) -> str:
    assert item.operation == "mark_exported", f"the manifest names no operation {item.operation!r}"
    return write_mark_exported(item.payload).po_number
