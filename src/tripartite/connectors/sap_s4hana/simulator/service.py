"""The HTTP side of the simulated S/4HANA: deep creates, changes, `$batch` with its changesets, function imports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tripartite.connectors.sap_s4hana.simulator import invoices, movements, odata, orders
from tripartite.connectors.sap_s4hana.simulator.arrangement import OrderRow, ReceiptRow
from tripartite.connectors.sap_s4hana.simulator.door import Door
from tripartite.connectors.sap_s4hana.simulator.shelf import ROOT, Shelf, expanded
from tripartite.connectors.sap_s4hana.simulator.world import Booking, Refusal, World
from tripartite.connectors.simulating import Bench, Cut, Reply, Request

_INVOICE = "API_SUPPLIERINVOICE_PROCESS_SRV"
_ORDER = "API_PURCHASEORDER_PROCESS_SRV"
_MOVEMENT = "API_MATERIAL_DOCUMENT_SRV"
# What can be created in one deep insert: service and set -> the operation's name for faults.
_CREATES = {
    (_INVOICE, "A_SupplierInvoice"): "post_invoice",
    (_ORDER, "A_PurchaseOrder"): "publish_order",
    (_MOVEMENT, "A_MaterialDocumentHeader"): "record_receipt",
}
_LOCKED = "Purchasing document is locked by user MEIER"


def build(settings: dict[str, str], seed: int = 0) -> Bench:
    """A bench with an empty S/4HANA; `arrange` fills it."""
    bench = Bench(seed=seed)
    Service(bench, settings)
    return bench


class Write(msgspec.Struct):
    """A write that passed its checks: what books it (visible from then on), and what pretends to have."""

    book: Callable[[float], Reply]
    pretend: Callable[[], Reply]


class Service:
    def __init__(self, bench: Bench, settings: Mapping[str, str]) -> None:
        self.bench = bench
        self.world = World(settings)
        self.door = Door(bench, self.world, settings)
        shelf = Shelf(bench, self.door, int(settings.get("page_size", "1000")))
        bench.truth = self.truth
        bench.arrange = self._arrange
        bench.route("POST", "/sap/bc/sec/oauth2/token", "token", self.door.token)
        bench.route("POST", f"{ROOT}(API_[A-Z_]+)/\\$batch", "batch", self._batch)
        for (service, entity_set), operation in _CREATES.items():
            bench.route("POST", f"{ROOT}({service})/({entity_set})", operation, self._post)
        bench.route("POST", f"{ROOT}{_INVOICE}/(Cancel|Release|Post)", "invoice_action", self._action)
        bench.route("GET", f"{ROOT}(API_[A-Z_]+)/?", "csrf", self.door.root)
        bench.route("GET", f"{ROOT}(API_[A-Z_]+)/(A_[A-Za-z]+)", "read", shelf.list)
        bench.route("GET", f"{ROOT}(API_[A-Z_]+)/(A_[A-Za-z]+)\\((.+)\\)", "read", shelf.entity)
        bench.route("PATCH", f"{ROOT}{_INVOICE}/A_SupplierInvoice\\(.+\\)", "post_invoice", self._not_updatable)

    def truth(self) -> dict[str, Any]:
        return {
            "invoices": invoices.ledger(self.world),
            "orders": list(self.world.entities["order"].values()),
            "receipts": list(self.world.entities["receipt"].values()),
            "clearings": [
                {"document": "/".join(key), "clearing": each.number, "on": each.on, "kind": each.kind}
                for key, each in self.world.clearings.items()
            ],
        }

    def _arrange(self, value: Any) -> dict[str, int]:
        self.door.tick()
        return self.world.arrange(value)

    # One write

    async def _post(self, request: Request, match: re.Match[str]) -> Reply:
        operation = _CREATES[match[1], match[2]]
        if reply := self.door.refused(request, operation, write=True):
            return reply
        call = odata.Call("POST", match[2], request.headers, request.body)
        reply, ending = await self._write(match[1], operation, [call])
        if ending:
            await self._end(ending)
        return reply

    async def _end(self, ending: str) -> None:
        if ending == "hang":
            await self.bench.hang()
        raise Cut

    async def _write(self, service: str, operation: str, calls: list[odata.Call]) -> tuple[Reply, str]:
        """One deep create or one changeset: its reply, and how the call ends where a fault strikes after the commit."""
        bench = self.bench
        if bench.faults:
            if reply := await bench.before(operation):
                return reply, ""
            if bench.fault(operation, "lock"):
                return odata.error("06/001", _LOCKED, service=service), ""
        try:
            write = self._checked(service, calls)
        except Refusal as refusal:
            return odata.error(refusal.code, refusal.text, refusal.status, service=service), ""
        except (msgspec.DecodeError, ValueError, TypeError, AttributeError):
            return odata.error("/IWBEP/CM_MGW_RT/019", "Malformed JSON", service=service), ""  # (u)
        if bench.faults:
            return await self._write_with_faults(operation, write)
        return write.book(0.0), ""

    def _checked(self, service: str, calls: list[odata.Call]) -> Write:
        first = calls[0]
        if len(calls) == 1 and first.method == "POST" and (service, first.path) in _CREATES:
            body = first.json()
            if service == _INVOICE:
                return self._invoice(invoices.check(self.world, body))
            if service == _ORDER:
                order = orders.check(self.world, body)
                return Write(
                    lambda at: self._created_order(orders.commit(self.world, order), at),
                    lambda: self._pretended(order),
                )
            receipt = movements.check(self.world, body)
            return Write(
                lambda at: self._created_receipt(movements.commit(self.world, receipt), at),
                lambda: self._created_receipt(msgspec.structs.replace(receipt, number=self.world.draw_movement()), 0.0),
            )
        if service != _ORDER:
            raise Refusal("/IWFND/CM_MGW/516", f"{first.method} {first.path} is not taken here", 405)  # (u)
        order = orders.changed(self.world, calls)

        def change(at: float) -> Reply:
            self.world.put_order(orders.changed(self.world, calls))
            self._hide("order", str(order.number), at)
            return Reply(204)

        return Write(change, lambda: Reply(204))

    def _invoice(self, booking: Booking) -> Write:
        def pretend() -> Reply:
            booking.number, booking.accounting = self.world.draw()
            return self._created(booking)

        return Write(
            lambda at: self._created(invoices.commit(self.world, msgspec.structs.replace(booking, visible_at=at))),
            pretend,
        )

    async def _write_with_faults(self, operation: str, write: Write) -> tuple[Reply, str]:
        bench = self.bench
        if bench.fault(operation, "lie_dropped"):
            return write.pretend(), ""
        if fault := bench.fault(operation, "late_commit"):
            bench.later(fault.delay, lambda: self._commit_late(write))
            return Reply(), "cut"
        at = 0.0
        if fault := bench.fault(operation, "lag"):
            at = bench.clock() + fault.delay
        reply = write.book(at)
        if bench.fault(operation, "lie_twice"):
            write.book(at)
        if bench.fault(operation, "commit_then_hang"):
            return reply, "hang"
        if bench.fault(operation, "commit_then_cut"):
            return reply, "cut"
        if instead := await bench.after(operation):
            return instead, ""
        return reply, ""

    @staticmethod
    def _commit_late(write: Write) -> None:
        try:
            write.book(0.0)
        except Refusal:
            return  # somebody changed it meanwhile: its ETag is stale, as there

    def _hide(self, kind: str, key: Any, at: float) -> None:
        if at:
            self.world.hidden[kind, key] = at

    def _created_order(self, order: OrderRow, at: float) -> Reply:
        self._hide("order", str(order.number), at)
        return odata.entity(expanded("A_PurchaseOrder", self.world.entities["order"][str(order.number)], {}), 201)

    def _pretended(self, order: OrderRow) -> Reply:
        number = order.number or self.world.draw_order()
        return odata.entity(
            {
                "PurchaseOrder": number,
                "CompanyCode": order.company,
                "Supplier": order.supplier,
                "CorrespncExternalReference": order.external_reference,
            },
            201,
        )

    def _created_receipt(self, receipt: ReceiptRow, at: float) -> Reply:
        key = (str(receipt.number), receipt.year)
        self._hide("receipt", key, at)
        shown = {
            "MaterialDocumentYear": receipt.year,
            "MaterialDocument": str(receipt.number),
            "MaterialDocumentHeaderText": receipt.text,
            "ReferenceDocument": receipt.delivery_note,
            "to_MaterialDocumentItem": {"__deferred": {"uri": "to_MaterialDocumentItem"}},
        }
        return odata.entity(shown, 201)

    @staticmethod
    def _created(booking: Booking) -> Reply:
        message = ""
        if booking.block == "R":
            message = '{"code":"M8/504","message":"Invoice blocked for payment","severity":"warning"}'  # (u)
        return odata.entity(invoices.entity(booking), 201, message)

    # Many writes

    async def _batch(self, request: Request, match: re.Match[str]) -> Reply:
        if reply := self.door.refused(request, "batch", write=True) or await self.bench.before("batch"):
            return reply
        service = match[1]
        try:
            changesets = odata.changesets(request.body, request.headers.get("content-type", ""))
            if any(len(calls) > 1 for calls in changesets) and service != _ORDER:
                raise odata.BadQuery("only one deep create is taken in a changeset")
        except odata.BadQuery as error:
            return odata.error("/IWFND/CM_MGW/515", str(error), service=service)  # (u)
        operation = next((name for (known, _), name in _CREATES.items() if known == service), "batch")
        replies: list[list[Reply]] = []
        ending = ""
        for calls in changesets:
            self.bench.calls[operation] += 1
            reply, struck = await self._write(service, operation, calls)
            # A changeset of several requests answers each of them, or with one error for all.
            replies.append([_answer_to(call, reply) for call in calls] if reply.status < 300 else [reply])
            ending = ending or struck
            if struck == "cut":
                break
        if ending:
            await self._end(ending)
        if instead := await self.bench.after("batch"):
            return instead
        return odata.batch_reply(self._disturbed(replies))

    def _disturbed(self, replies: list[list[Reply]]) -> list[list[Reply]]:
        if not self.bench.faults:
            return replies
        if self.bench.fault("batch", "batch.echo"):
            replies = [
                [Reply(reply.status, reply.body, {**reply.headers, "content-id": str(place)}) for reply in changeset]
                for place, changeset in enumerate(replies, 1)
            ]
        if self.bench.fault("batch", "batch.reorder"):
            replies = replies[::-1]
        if self.bench.fault("batch", "batch.omit"):
            replies = replies[:-1]
        return replies

    # Function imports of the supplier invoice

    async def _action(self, request: Request, match: re.Match[str]) -> Reply:
        bench = self.bench
        operation = "release_payment_block" if match[1] == "Release" else "invoice_action"
        if reply := self.door.refused(request, operation, write=True) or await bench.before(operation):
            return reply
        if bench.fault(operation, "lock"):
            return odata.error("06/001", _LOCKED, service=_INVOICE)
        key = tuple(request.query.get(name, "").strip("'") for name in ("SupplierInvoice", "FiscalYear"))
        booking = self.world.by_number.get((key[0], key[1]))
        if booking is None:
            return odata.error("M8/108", f"Invoice document {key[0]} {key[1]} does not exist", 404)  # (u)
        if match[1] == "Cancel":
            try:
                invoices.reverse(self.world, booking)
            except Refusal as refusal:
                return odata.error(refusal.code, refusal.text, service=_INVOICE)
            answer = {"ReverseDocument": booking.reversed_by, "FiscalYear": booking.year, "Success": True}
            return odata.entity({"Cancel": answer})
        if match[1] == "Release":
            if not bench.fault(operation, "lie_dropped"):
                booking.block = "" if booking.block == "R" else booking.block  # a manual key is not lifted by it
            if instead := await bench.after(operation):
                return instead
        elif booking.status == "B":
            booking.status = "5"
        else:
            return odata.error("M8/381", "Only a document saved as complete can be posted", service=_INVOICE)  # (u)
        return odata.entity({match[1]: {"Success": True}})

    async def _not_updatable(self, request: Request, match: re.Match[str]) -> Reply:
        return odata.error("/IWFND/CM_BEC/026", "Method 'PATCH' not allowed", 405, service=_INVOICE)  # (u)


def _answer_to(call: odata.Call, reply: Reply) -> Reply:
    """One request's answer out of its changeset's: a change brings nothing back, what is new comes with its key."""
    if reply.status != 204 or call.method != "POST":
        return reply
    body = call.json()
    return odata.entity({name: body.get(name) for name in ("PurchaseOrder", "PurchaseOrderItem")}, 201)
