"""Receipts written to Coupa: each line once, found again by its mark, whatever became of the answer.

Coupa knows no key for receipts. So before a write the transactions of the order lines are read: one that carries our
mark is the receipt itself, and nothing is sent. A mark of an earlier version is voided first, since a transaction
cannot be changed. Two workers never write one receipt at once: the delivery is claimed by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.client.answers import CoupaFailure
from tripartite.connectors.coupa.client.calls import Calls
from tripartite.connectors.coupa.transform.marks import version_of
from tripartite.connectors.coupa.transform.orders import line_number
from tripartite.connectors.coupa.transform.reading import Drift
from tripartite.connectors.coupa.transform.writing import TYPES, same_number, write_receipt
from tripartite.runtime.protocol import (
    Absent,
    Answer,
    Outbound,
    ProbeAnswer,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    Unwritable,
)

PATH = "/receiving_transactions"
ASKED_TOGETHER = 40  # order lines of one look-up: their ids must fit into an address
Failed = Rejected | RetryLater | Unknown


class Receiving:
    """`record_receipt`: submit and probe."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def submit(self, item: Outbound) -> Answer:
        """Each line in turn. What stopped half-way is taken up where it stopped: the lines before are found.

        Its number there: the transactions by line, `31042,31043`; behind a `;` the voids of an earlier version.
        """
        made: list[str] = []
        voids: list[str] = []
        try:
            lines = write_receipt(item.payload)
            standing = await self._standing(lines)
            for line in lines:
                done = await self._record(line, standing, voids)
                if isinstance(done, Failed):
                    return _with(done, made)
                made.append(done)
        except Unwritable as cannot:
            return Rejected(cannot.reason_code, cannot.detail)
        except CoupaFailure as failure:
            # Only looking failed: nothing was sent, or what was sent was answered.
            return RetryLater(str(failure), failure.after_seconds)
        return Settled(_number(made, voids))

    async def probe(self, item: Outbound) -> ProbeAnswer:
        """Asks for every line's transaction; one that is missing makes the whole absent, since it is taken up again."""
        found: list[str] = []
        voids: list[str] = []
        try:
            lines = write_receipt(item.payload)
            standing = await self._standing(lines)
            for line in lines:
                place = standing.place(line)
                if isinstance(place, Rejected):
                    return place
                movements = standing.movements(place)
                there = _stands(line, movements)
                if there is None:
                    return Absent(f"line {line.line} of {line.order_number} is not recorded there")
                found.append(there)
                voids += _voids(line, movements)
        except Unwritable as cannot:
            return Rejected(cannot.reason_code, cannot.detail)
        except CoupaFailure as failure:
            return RetryLater(str(failure), failure.after_seconds)
        return Settled(_number(found, voids))

    async def _record(self, line: wire.ReceivedLine, standing: _Standing, voids: list[str]) -> str | Failed:
        """The id of the transaction that stands for this line, written now or found. Errors: `CoupaFailure`."""
        place = standing.place(line)
        if isinstance(place, Rejected):
            return place
        movements = standing.movements(place)
        voids += _voids(line, movements)
        if there := _stands(line, movements):
            return there
        for earlier in movements:
            version = version_of(earlier.barcode, line.stem)
            if version is not None and version < line.version and _counts(earlier, movements):
                voided = await self._void(earlier.id)
                if isinstance(voided, Failed):
                    return voided
                voids.append(voided)
        if line.kind == "reversal":
            return await self._take_back(line, place, movements)
        return await self._post(line, place, line.kind)

    async def _take_back(
        self, line: wire.ReceivedLine, place: wire.OrderPlace, movements: Sequence[wire.Movement]
    ) -> str | Failed:
        """A void where all of it is taken back, else a return of the part."""
        origin = next((each for each in movements if str(each.id) == line.takes_from), None)
        if origin is None:
            return Rejected("receipt_unknown", f"Coupa has no transaction {line.takes_from} on this order line")
        whole = same_number(origin.quantity if origin.quantity is not None else origin.total, line.quantity)
        return await self._void(origin.id) if whole else await self._post(line, place, "return")

    async def _void(self, transaction: int) -> str | Failed:
        answer = await self._calls.write(wire.Movement, "PUT", f"{PATH}/{transaction}/void", {}, "receipt.void")
        if isinstance(answer, Failed):
            return answer
        if not answer.type.startswith("Void") and answer.status != "voided":
            return Unknown("success, but nothing shows that it is voided")
        return str(answer.id)

    async def _post(self, line: wire.ReceivedLine, place: wire.OrderPlace, kind: str) -> str | Failed:
        word = TYPES.get((kind, place.type or ""))
        if word is None:
            return Rejected("line_type", f"order line {line.line} is of the type {(place.type or 'none')[:60]}")
        by_value = place.type == "OrderAmountLine"
        body = {
            "type": word,
            "order-line": {"id": place.id},
            "total" if by_value else "quantity": line.quantity,
            "barcode": line.key,
            "transaction-date": line.transaction_date,
            "match-reference": line.match_reference,
            "uom": {"code": line.unit} if line.unit and not by_value else None,
        }
        sent = {name: value for name, value in body.items() if value is not None}
        answer = await self._calls.write(wire.Movement, "POST", PATH, sent, "receipt.create")
        if isinstance(answer, Failed):
            return answer
        return str(answer.id) if answer.barcode == line.key else Unknown("success, but our mark does not show")

    async def _standing(self, lines: Sequence[wire.ReceivedLine]) -> _Standing:
        """The orders of these lines, and what was received on their lines so far. Errors: `CoupaFailure`."""
        orders = {
            number: await self._calls.all_of(
                wire.OrderPlaces, "/purchase_orders", [("po_number", number)], "order.list"
            )
            for number in dict.fromkeys(line.order_number for line in lines)
        }
        standing = _Standing(orders, {})
        places = {place.id: None for line in lines if not isinstance(place := standing.place(line), Rejected)}
        ids = [str(each) for each in places]
        for start in range(0, len(ids), ASKED_TOGETHER):
            part = ids[start : start + ASKED_TOGETHER]
            query = [("order_line[id][in]", ",".join(part))] if len(part) > 1 else [("order_line[id]", part[0])]
            for movement in await self._calls.all_of(wire.Movement, PATH, query, "receipt.list"):
                if movement.order_line is not None:
                    standing.by_line.setdefault(movement.order_line.id, []).append(movement)
        return standing


class _Standing(msgspec.Struct):
    """What Coupa shows around a receipt before it is written: its orders by number, the transactions by order line."""

    orders: dict[str, list[wire.OrderPlaces]]
    by_line: dict[int, list[wire.Movement]]

    def place(self, line: wire.ReceivedLine) -> wire.OrderPlace | Rejected:
        orders = self.orders[line.order_number]
        if len(orders) != 1:
            return Rejected("order_unknown", f"Coupa knows {len(orders)} orders of number {line.order_number}")
        for place in orders[0].order_lines:
            try:
                number = line_number(place.line_num, place.sub_line_num, "")
            except Drift:
                continue  # a line of another numbering is none of ours
            if number == line.line:
                return place
        return Rejected("line_unknown", f"order {line.order_number} has no line {line.line} in Coupa")

    def movements(self, place: wire.OrderPlace) -> Sequence[wire.Movement]:
        return self.by_line.get(place.id, ())


def _stands(line: wire.ReceivedLine, movements: Sequence[wire.Movement]) -> str | None:
    """The transaction that already says what `line` says: it carries our mark, or it is the void that was asked for.

    A mark of a later version stands too: what it says is newer.
    """
    for each in movements:
        version = version_of(each.barcode, line.stem)
        # A void repeats the fields of what it takes back; it is not the receipt.
        if version is not None and version >= line.version and not each.type.startswith("Void"):
            return str(each.id)
    if line.kind == "reversal":
        for each in movements:
            if each.type.startswith("Void") and str(each.original_transaction_id) == line.takes_from:
                return str(each.id)
    return None


def _counts(movement: wire.Movement, movements: Sequence[wire.Movement]) -> bool:
    """Whether a transaction still counts: it is no void, and nothing has voided it."""
    voided = any(each.type.startswith("Void") and each.original_transaction_id == movement.id for each in movements)
    return not movement.type.startswith("Void") and movement.status != "voided" and not voided


def _voids(line: wire.ReceivedLine, movements: Sequence[wire.Movement]) -> list[str]:
    """The voids by which earlier versions of this line were taken back."""
    versions = {each.id: version_of(each.barcode, line.stem) for each in movements}
    return [
        str(each.id)
        for each in movements
        if each.type.startswith("Void")
        and (earlier := versions.get(each.original_transaction_id or 0)) is not None
        and earlier < line.version
    ]


def _number(made: Sequence[str], voids: Sequence[str]) -> str:
    return ";".join([",".join(made), *voids])


def _with(failed: Failed, made: Sequence[str]) -> Failed:
    """A refusal of a later line says what stands of the earlier ones: a person has to see to it."""
    if isinstance(failed, Rejected) and made:
        return Rejected(failed.code, f"{failed.detail}; recorded before that: {', '.join(made)}")
    return failed
