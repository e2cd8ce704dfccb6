"""Talks to Coupa: token, pace, pages, questions, the one write, and what each answer means. Reads no amounts.

A package, since it is long: session.py makes single calls with a token, paging.py tells how pages join up, answers.py
how failures are told apart; here is the connector's client over them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.client.answers import (
    AnswerInvalid,
    CoupaFailure,
    Query,
    Unreachable,
    error_words,
    header,
    is_json,
    retry_after,
)
from tripartite.connectors.coupa.client.paging import PAGE, Cursor, Record, joins, line_ids, page_of, pulled, time_of
from tripartite.connectors.coupa.client.session import Session, whole_seconds
from tripartite.connectors.coupa.transform import write_mark_exported
from tripartite.connectors.coupa.transform.settings import SettingInvalid, read_settings
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    ClientPorts,
    Connection,
    HttpFailure,
    HttpResponse,
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
MOST_PAGES = 20  # of one question
OVERLAP_SECONDS = 300

PATHS: Mapping[ObjectKind, str] = {
    "supplier": "/suppliers",
    "requisition": "/requisitions",
    "order": "/purchase_orders",
    "receipt": "/receiving_transactions",
}
SHAPES: Mapping[ObjectKind, type[wire.Wire]] = {
    "supplier": wire.Supplier,
    "requisition": wire.Requisition,
    "order": wire.Order,
    "receipt": wire.Receipt,
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
        records, told = await self._list(stream, [*window, *self._after(at.after, size)])
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
        receipts_of_order (order_number or order, and order_line where only one line is meant).
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

    # The write

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        """Each write in turn: Coupa has no bulk. The answers stand in the order of the items."""
        return [await self._mark_exported(item) for item in items]

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
        return self._meaning(response)

    def _meaning(self, response: HttpResponse) -> Answer:
        """What the answer to a write says. Only a record that shows the flag set is a yes."""
        status = response.status_code
        if status == 429:
            return RetryLater("rate limit", retry_after(response, self._ports.now()))
        if status in {200, 201}:
            try:
                record = msgspec.json.decode(response.content, type=wire.Key)
            except msgspec.DecodeError:
                return Unknown("success without the record")
            return Settled(str(record.id)) if record.exported else Unknown("success, but the flag does not show")
        if 400 <= status < 500 and status != 408:
            return Rejected(f"http_{status}", self._session.hidden(error_words(response.content)))
        return Unknown(f"HTTP {status}")

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Asks the order itself whether its flag is set."""
        found = await self._flag(_marked(item))
        if isinstance(found, RetryLater | Rejected):
            return found
        return Settled(str(found.id)) if found.exported else Absent("the order is not marked as exported")

    async def _flag(self, number: str) -> wire.Key | RetryLater | Rejected:
        query = [("po_number", number), ("fields", FLAG_FIELDS)]
        try:
            records, _ = await self._records("GET", PATHS["order"], query, "order.flag")
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        if len(records) != 1 or records[0].key.po_number != number:
            return Rejected("order_unknown", f"Coupa knows {len(records)} orders of number {number}")
        return records[0].key

    async def check(self) -> str:
        """Asks for a token and for one supplier: harmless, and shows that address, secret and scopes are right."""
        records, _ = await self._records(
            "GET", PATHS["supplier"], [("limit", "1"), ("fields", '["id","updated-at"]')], "check"
        )
        return f"Coupa at {self._session.base} answers; suppliers can be read ({len(records)} asked for)."

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Never called: Coupa's call-outs have a form the customer configures, without a signature to verify."""
        raise WebhookRefused("intake.signature_invalid", "Coupa sends no signed webhooks")

    async def close(self) -> None:
        """Forgets the token."""
        self._session.forget()

    # Lists and records

    def _after(self, last: int, size: int) -> list[tuple[str, str]]:
        above = [("id[gt]", str(last))] if last else []
        return [*above, ("order_by", "id"), ("dir", "asc"), ("limit", str(size))]

    async def _list(self, kind: ObjectKind, query: Query) -> tuple[Sequence[Record], datetime]:
        shaped = [*query, *EXTRAS.get(kind, ()), ("fields", _fields(SHAPES[kind], self._without))]
        records, told = await self._records("GET", PATHS[kind], shaped, f"{kind}.list")
        if not self._by_offset:
            floor = max((int(value) for name, value in query if name == "id[gt]"), default=0)
            for record in records:
                if record.key.id <= floor:
                    raise AnswerInvalid(f'{PATHS[kind]} is not sorted by id; set paging = "offset"')
                floor = record.key.id
        return records, told

    async def _all(self, kind: ObjectKind, query: Query) -> Sequence[Record]:
        """Every record of a narrow question. Errors: `AnswerInvalid` beyond `MOST_PAGES` pages."""
        found: dict[int, Record] = {}
        for page in range(MOST_PAGES):
            place = (
                [("offset", str(page * PAGE)), ("limit", str(PAGE))]
                if self._by_offset
                else self._after(max(found, default=0), PAGE)
            )
            records, _ = await self._list(kind, [*query, *place])
            found.update((record.key.id, record) for record in records)
            if len(records) < PAGE:
                return tuple(found.values())
        raise AnswerInvalid(f"more than {MOST_PAGES * PAGE} records of {PATHS[kind]} answer one question")

    async def _one(self, kind: ObjectKind, key: str) -> Sequence[Record]:
        if not (key.isascii() and key.isdigit()):
            return ()
        query = [*EXTRAS.get(kind, ()), ("fields", _fields(SHAPES[kind], self._without))]
        response = await self._answered("GET", f"{PATHS[kind]}/{key}", query, f"{kind}.get")
        if response.status_code == 404 and is_json(response):
            return ()
        if response.status_code != 200:
            self._session.refuse(response, PATHS[kind])
        return (self._record(response.content, PATHS[kind]),)

    async def _records(self, method: str, path: str, query: Query, operation: str) -> tuple[Sequence[Record], datetime]:
        """The records of a list, each as the very bytes Coupa sent, and the time by Coupa's clock."""
        response = await self._answered(method, path, query, operation)
        if response.status_code != 200:
            self._session.refuse(response, path)
        if not is_json(response):
            raise AnswerInvalid(f"{path} answered 200 with {header(response, 'content-type')[:60] or 'no type'}")
        try:
            parts = msgspec.json.decode(response.content, type=list[msgspec.Raw])
        except msgspec.ValidationError as error:
            raise AnswerInvalid(f"{path} answered no list: {error}") from None
        except msgspec.DecodeError:
            raise Unreachable(f"{path} answered half a list") from None
        return [self._record(bytes(part), path) for part in parts], self._told(response)

    def _record(self, content: bytes, path: str) -> Record:
        try:
            key = msgspec.json.decode(content, type=wire.Key)
            time_of(key.updated_at)
        except msgspec.ValidationError as error:
            raise AnswerInvalid(f"a record of {path} without its key: {error}") from None
        except msgspec.DecodeError:
            raise Unreachable(f"{path} answered half a record") from None
        except ValueError:
            raise AnswerInvalid(f"a record of {path} with an unreadable updated-at") from None
        return Record(key, content)

    def _told(self, response: HttpResponse) -> datetime:
        """Coupa's clock where it shows it, else ours."""
        try:
            told = parsedate_to_datetime(header(response, "date"))
        except ValueError:
            return self._ports.now()
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    # Calls

    async def _answered(self, method: str, path: str, query: Query, operation: str) -> HttpResponse:
        try:
            return await self._session.call(method, path, query, operation)
        except CoupaFailure:
            raise
        except HttpFailure as failure:
            raise Unreachable(self._session.hidden(str(failure))) from None


def _fields(shape: type[wire.Wire], without: frozenset[str] = frozenset()) -> str:
    return msgspec.json.encode(wire.fields(shape, without)).decode()


def _marked(item: Outbound) -> str:
    assert item.operation == "mark_exported", f"the manifest names no operation {item.operation!r}"
    return write_mark_exported(item.payload).po_number
