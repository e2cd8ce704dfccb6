"""Taking the rows of day zero in: each part of a file is one transaction through the gateway's door.

In it lie the part's bytes under their digest, what the components keep of its rows, the messages that follow and one
audit leaf. Suppliers and orders are what they always are, canonical objects on the bus, which each component keeps by
its own handlers. Opening balances and the bills of before have an owner nowhere else and go straight into the invoices
component's tables. The same part again changes nothing and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any

import msgspec

from tripartite.cli.load_files import Part, Row, Wrong
from tripartite.components.gateway import names as gateway_names
from tripartite.components.gateway import store as gateway_store
from tripartite.components.gateway.app import door_of
from tripartite.components.gateway.handlers import correlation, partition_key
from tripartite.components.gateway.intake import Document, Taken
from tripartite.components.invoices import day_zero
from tripartite.components.invoices.opening import Loaded, LoadedBill, LoadedLine
from tripartite.components.orders import store as orders_store
from tripartite.components.suppliers import store as suppliers_store
from tripartite.core import codec
from tripartite.core.day_zero import Kind, OrderRow, WrongCell, read_history, read_order, read_supplier
from tripartite.core.envelope import Message
from tripartite.core.events import CANONICAL, OrderArrived, SupplierArrived
from tripartite.core.ids import digest as digest_of
from tripartite.core.ids import stable_id
from tripartite.core.mapping.xrefs import Xrefs
from tripartite.core.objects import Order, Supplier
from tripartite.runtime.audit import make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

CALLER = "cli:load"
WORDS = {
    "differs": ("integration.state_differs", "the same thing was loaded with other values"),
    "stale": ("integration.version_stale", "a later day was loaded already"),
}


class Outcome(msgspec.Struct, frozen=True):
    """What became of one row: applied, duplicate, or rejected with its reason and place."""

    line: int
    disposition: str
    reason_code: str = ""
    column: str = ""
    detail: str = ""


class _Step(msgspec.Struct):
    """What one part's transaction came to."""

    outcomes: dict[int, Outcome] = {}
    messages: list[Outgoing] = []

    def refuse(self, line: int, wrong: Wrong | WrongCell) -> None:
        self.outcomes[line] = Outcome(line, "rejected", wrong.reason_code, wrong.column, wrong.detail[:300])

    def stand(self, line: int, standing: str) -> None:
        code, detail = WORDS.get(standing, ("", ""))
        self.outcomes[line] = Outcome(line, "rejected" if code else standing, code, "", detail)


class Loader:
    """Takes one file in, part by part. `source` is the connection whose supplier numbers the file has."""

    def __init__(self, ports: Ports, kind: Kind, source: str, name: str, digest: str, as_of: date | None) -> None:
        self._ports, self._kind, self._source, self._as_of = ports, kind, source, as_of
        self._name, self._digest = name, digest
        self._companies = {each.code for each in ports.estate.companies}
        self._seen: dict[tuple[str, str], str] = {}  # suppliers and orders of earlier parts, by what they said
        self._correlation = stable_id("c", "load", digest)

    async def take(self, part: Part) -> list[Outcome]:
        """Take a part in; what became of its rows, in their order. Returns after the commit."""
        content_digest = digest_of(part.content)
        step = _Step()

        async def beside(connection: Connection, _: Sequence[Taken]) -> Sequence[Outgoing]:
            step.outcomes, step.messages = {}, []
            said = dict(self._seen)
            for row in part.rows:
                if row.wrong is not None:
                    step.refuse(row.line, row.wrong)
            good = [row for row in part.rows if row.wrong is None]
            match self._kind:
                case "supplier":
                    await self._suppliers(connection, good, step, said)
                case "order":
                    await self._orders(connection, good, step, said)
                case _:
                    await self._history(connection, good, step)
            if any(each.disposition == "applied" for each in step.outcomes.values()):
                await write_leaves(connection.cursor(), [self._leaf(part, content_digest, step)])
            self._seen = said
            return step.messages

        async with self._ports.db.connection() as connection:
            known = await gateway_store.known_digests(connection, self._source, [content_digest])
        await door_of(self._ports).accept([] if known else [self._document(part)], beside)
        return [step.outcomes[row.line] for row in part.rows]

    def _document(self, part: Part) -> Document:
        return Document(
            connection=self._source,
            content=part.content,
            media_type=part.media_type,
            caller=CALLER,
            name=f"{self._name} lines {part.rows[0].line} to {part.rows[-1].line}"[-255:],
            archive=f"load.{self._kind}",
        )

    def _leaf(self, part: Part, content_digest: str, step: _Step) -> Any:
        counts: dict[str, int] = {}
        for each in step.outcomes.values():
            counts[each.disposition] = counts.get(each.disposition, 0) + 1
        record = {
            "kind": self._kind,
            "file": self._digest,
            "part": content_digest,
            "lines": [part.rows[0].line, part.rows[-1].line],
            "rows": counts,
            "source": self._source,
            "at": self._ports.clock.now(),
        }
        salt = self._ports.chance.randbytes(16)
        return make_leaf("load.taken", self._digest, "*", self._correlation, codec.encode(record), salt)

    # Suppliers

    async def _suppliers(
        self, connection: Connection, rows: Sequence[Row], step: _Step, said: dict[tuple[str, str], str]
    ) -> None:
        read: list[tuple[Row, Supplier]] = []
        for row in rows:
            try:
                value = read_supplier(row.cells)
                self._known_companies(value.company_codes, "company_codes")
            except WrongCell as wrong:
                step.refuse(row.line, wrong)
                continue
            if self._is_new(said, "", value.number, codec.encode(value), row, step):
                read.append((row, value))
        names = await self._names(connection, [value.number for _, value in read])
        ids = {value.number: self._ids(names, value.number) or (stable_id("sup", value.number),) for _, value in read}
        kept = await suppliers_store.versions(connection, [each for found in ids.values() for each in found])
        for row, value in read:
            known = max((kept.get(each, 0) for each in ids[value.number]), default=0)
            if known >= value.version:
                step.stand(row.line, "duplicate")
                continue
            step.stand(row.line, "applied")
            step.messages.append(self._canonical("supplier", value, "*", codec.encode(SupplierArrived(value))))

    # Orders

    async def _orders(
        self, connection: Connection, rows: Sequence[Row], step: _Step, said: dict[tuple[str, str], str]
    ) -> None:
        names = await self._names(connection, [row.cells.get("supplier_number", "") for row in rows])
        orders: list[tuple[list[Row], Order]] = []
        lines: list[LoadedLine] = []
        for _, group in groupby(rows, key=lambda row: (row.cells["company_code"], row.cells["number"])):
            members = list(group)
            read = self._order_rows(members, names, step)
            if read is None:
                continue
            order = msgspec.structs.replace(
                read[0].order, lines=tuple(line for each in read for line in each.order.lines)
            )
            if not self._is_new(said, order.company_code, order.number, codec.encode(order), members[0], step):
                for row in members[1:]:
                    step.outcomes[row.line] = msgspec.structs.replace(step.outcomes[members[0].line], line=row.line)
                continue
            orders.append((members, order))
            lines += [
                LoadedLine(order.company_code, each.opening, row.line) for row, each in zip(members, read, strict=True)
            ]
        loaded = await day_zero.take_openings(connection, self._digest, lines) if lines else None
        for line, standing in zip(lines, loaded.standings if loaded else (), strict=True):
            step.stand(line.row, standing)
        kept = await orders_store.versions(connection, [(order.company_code, order.number) for _, order in orders])
        for members, order in orders:
            if kept.get((order.company_code, order.number), 0) >= order.version:
                continue
            for row in members:
                if step.outcomes[row.line].disposition == "duplicate":
                    step.stand(row.line, "applied")
            event = codec.encode(OrderArrived(order))
            step.messages.append(self._canonical("order", order, order.company_code, event))
        if loaded:
            step.messages += self._wakes(loaded)

    def _order_rows(self, members: Sequence[Row], names: Xrefs, step: _Step) -> list[OrderRow] | None:
        """The rows of one order, read and agreeing; None where the order is not taken, with a reason at each row."""
        read: list[OrderRow] = []
        broken: int | None = None
        for row in members:
            try:
                each = read_order(row.cells, self._as_of)
                self._known_companies((each.order.company_code,), "company_code")
                supplier = self._supplier(names, each.order.supplier_number)
                each = msgspec.structs.replace(each, order=msgspec.structs.replace(each.order, supplier_id=supplier))
                self._agrees(read, each)
                read.append(each)
            except WrongCell as wrong:
                step.refuse(row.line, wrong)
                broken = row.line if broken is None else broken
        if broken is None:
            return read
        for row in members:
            if row.line not in step.outcomes:
                detail = f"line {broken} of the file is wrong, and an order is taken whole or not at all"
                step.refuse(row.line, WrongCell("integration.parent_awaited", "number", detail))
        return None

    @staticmethod
    def _agrees(before: Sequence[OrderRow], row: OrderRow) -> None:
        if not before:
            return
        for field in ("currency", "version", "supplier_number", "issued_on", "status", "payment_terms"):
            if getattr(before[0].order, field) != getattr(row.order, field):
                raise WrongCell("intake.ambiguous", field, "the rows of one order do not agree")
        if row.opening.order_line in {each.opening.order_line for each in before}:
            raise WrongCell("intake.ambiguous", "line", "this line of the order stands twice")

    # History

    async def _history(self, connection: Connection, rows: Sequence[Row], step: _Step) -> None:
        names = await self._names(connection, [row.cells.get("supplier_number", "") for row in rows])
        bills: list[LoadedBill] = []
        for row in rows:
            try:
                supplier = self._supplier(names, row.cells.get("supplier_number", ""))
                bill = read_history(row.cells, supplier)
                self._known_companies((bill.company_code,), "company_code")
                bills.append(LoadedBill(bill, row.line))
            except WrongCell as wrong:
                step.refuse(row.line, wrong)
        if not bills:
            return
        loaded = await day_zero.take_billed(connection, self._digest, bills)
        for each, standing in zip(bills, loaded.standings, strict=True):
            step.stand(each.row, standing)
        step.messages += self._wakes(loaded)

    # What they share

    def _wakes(self, loaded: Loaded) -> list[Outgoing]:
        return day_zero.look_again(loaded, self._digest, self._correlation, self._ports.clock.now())

    def _is_new(
        self, said: dict[tuple[str, str], str], company: str, number: str, value: bytes, row: Row, step: _Step
    ) -> bool:
        """Whether a supplier or an order was not yet stated by this file; else the row says so."""
        digest = digest_of(value)
        before = said.setdefault((company, number), digest)
        if before is digest:
            return True
        if before == digest:
            step.stand(row.line, "duplicate")
        else:
            detail = "an earlier row of this file says something else, or the rows of one order stand apart"
            step.refuse(row.line, WrongCell("intake.ambiguous", "number", detail))
        return False

    def _known_companies(self, codes: Iterable[str], column: str) -> None:
        unknown = sorted(set(codes) - self._companies)
        if unknown:
            raise WrongCell("integration.mapping_missing", column, f"the estate has no {', '.join(unknown)[:60]}")

    async def _names(self, connection: Connection, numbers: Iterable[str]) -> Xrefs:
        keys = {("supplier", self._source, number) for number in numbers if number}
        return await gateway_names.xrefs(connection, keys)

    def _ids(self, names: Xrefs, number: str) -> tuple[str, ...]:
        return names.ids("supplier", self._source, number)

    def _supplier(self, names: Xrefs, number: str) -> str:
        found = self._ids(names, number)
        if len(found) == 1:
            return found[0]
        code = "supplier.duplicate" if found else "supplier.unknown"
        raise WrongCell(code, "supplier_number", f"{self._source} knows {len(found)} suppliers {number[:40]!r}")

    def _canonical(self, kind: str, value: Any, company: str, event: bytes) -> Outgoing:
        return Outgoing(
            CANONICAL[kind],
            Message(
                message_id=stable_id("msg", "load", kind, company, value.number, str(value.version), self._digest),
                type=f"tripartite.{kind}.received.v1",
                company_code=company,
                key=partition_key(value),
                correlation_id=correlation(value, company, self._correlation),
                occurred_at=self._ports.clock.now(),
                payload=event,
                source=self._source,
            ),
        )
