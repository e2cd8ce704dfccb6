"""The way of a file inside the bank, and what the bank sends about it. No HTTP.

    RCVD -> ACTC -> ACCP -> ACSP -> ACSC and a camt.054; at the end of a day a camt.053

A step is taken when its time has come, by the bench's clock, at the next call of whatever kind: a bench whose clock a
test turns needs no task and no waiting.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.connectors.iso20022_bank.simulator import messages
from tripartite.connectors.iso20022_bank.simulator.ledger import USUAL_ACCOUNT, Entry, Ledger
from tripartite.connectors.iso20022_bank.simulator.orders import (
    Objection,
    Order,
    Transfer,
    check_totals,
    check_transfer,
    read_order,
)
from tripartite.connectors.simulating import Fault


class File(msgspec.Struct):
    """One file that waits for the customer."""

    file_id: str
    type: str
    created_at: str
    content: bytes
    place: int
    shown_from: float = 0.0


Strikes = Callable[[str, str], Fault | None]  # operation and kind: the fault, where it is switched on


class Desk:
    """Everything behind the door. `clock` is the bench's counter of seconds, `wall` the bank's time of day."""

    def __init__(
        self, settings: dict[str, str], clock: Callable[[], float], wall: Callable[[], float], fault: Strikes
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.wall = wall
        self.fault = fault
        self.version = settings.get("version", "new")
        self.step = float(settings.get("step_seconds", "0.2"))
        self.ledger = Ledger(settings.get("accounts", USUAL_ACCOUNT), settings.get("references", "unique"))
        self.files: list[File] = []
        self.held: list[tuple[str, bytes]] = []  # a report that the fault `reorder` keeps back
        self.statements: list[str] = []
        self.days = 0  # by which the bank's calendar was moved
        self.refuses: dict[str, str] = {}  # creditor accounts to which nothing is transferred, with the reason
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count(1)

    # Time.

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall(), UTC) + timedelta(days=self.days)

    def today(self) -> date:
        return self.now().date()

    def stamp(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def after_seconds(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something once the clock has gone on so far."""
        heapq.heappush(self._due, (self.clock() + seconds, next(self._count), action))

    def advance(self) -> None:
        """Take every step whose time has come, in order."""
        while self._due and self._due[0][0] <= self.clock():
            heapq.heappop(self._due)[2]()

    def number(self) -> int:
        return next(self._count)

    # The way of a file.

    def take_quietly(self, content: bytes, digest: str, file_id: str) -> None:
        try:
            self.take(content, digest, file_id)
        except Objection:
            return  # a second copy of what has arrived meanwhile

    def take(self, content: bytes, digest: str, file_id: str) -> Order:
        """Takes a file in. Errors: `Objection`: FF01, or DU01 where this message id or these bytes are here already."""
        order = read_order(content, digest, file_id)
        known = self.ledger.orders.get(order.message_id)
        if known is None and digest in self.ledger.digests:
            known = self.ledger.orders[self.ledger.digests[digest]]
        if known is not None:
            known.copies += 1
            if self.settings.get("duplicates", "refuse") == "refuse":
                raise Objection("DU01", f"message id {order.message_id} was used")
            order.status, order.reason = "RJCT", "DU01"
            self.after_seconds(self.step, lambda: self._report(order, group="RJCT", reason="DU01"))
            return order
        if fault := self.fault("upload", "lag"):
            order.shown_from = self.clock() + fault.delay
        self.ledger.orders[order.message_id] = order
        self.ledger.digests[digest] = order.message_id
        self.after_seconds(self.step, lambda: self._validate(order))
        return order

    def _validate(self, order: Order) -> None:
        try:
            if self.fault("file", "rjct.group"):
                raise Objection("FF01", "a fault of the bench")
            check_totals(order)
            account = self.ledger.accounts.get(order.debtor_account)
            if account is None:
                raise Objection("AC02", "not an account of this customer")
        except Objection as objection:
            self._refuse(order, objection)
            self._report(order, group="RJCT", reason=objection.code)
            return
        order.status = "ACTC"
        self._report(order, group="ACTC")
        self.after_seconds(self.step, lambda: self._accept(order))

    def _refuse(self, order: Order, objection: Objection) -> None:
        order.status, order.reason, order.detail = "RJCT", objection.code, objection.text
        for each in order.transfers:
            each.status, each.reason = "RJCT", objection.code
            self.ledger.payments.setdefault(each.end_to_end_id, each)

    def _accept(self, order: Order) -> None:
        """The customer's profile: each transfer by itself. What is refused stands in the report, the rest goes on."""
        if self.fault("file", "rjct.block"):
            self._refuse(order, Objection("AG01", "a fault of the bench"))
            self._report(order, block="RJCT", reason="AG01")
            return
        for each in order.transfers:
            self._judge(order, each)
        refused = [each for each in order.transfers if each.status == "RJCT"]
        if len(refused) == len(order.transfers):
            order.status, order.reason = "RJCT", refused[0].reason
            self._report(order, group="RJCT", reason=order.reason, transfers=order.transfers)
            return
        order.status = "PART" if refused else "ACCP"
        changed = [each for each in order.transfers if each.status != "ACCP"]
        self._report(order, group=order.status, transfers=order.transfers if refused else changed)
        self._wait(order)

    def _judge(self, order: Order, transfer: Transfer) -> None:
        known = self.ledger.payments.get(transfer.end_to_end_id)
        try:
            if known is not None and known is not transfer and known.status != "RJCT":
                raise Objection("DU04")
            if self.fault("transfer", "rjct.transfer"):
                raise Objection("AC04", "a fault of the bench")
            if reason := self.refuses.get(transfer.creditor_account):
                raise Objection(reason)
            check_transfer(transfer)
            account = self.ledger.accounts[order.debtor_account]
            if transfer.currency != account.currency:
                raise Objection("AM03")
        except Objection as objection:
            transfer.status, transfer.reason = "RJCT", objection.code
            if objection.code != "DU04":
                self.ledger.payments[transfer.end_to_end_id] = transfer
            return
        self.ledger.payments[transfer.end_to_end_id] = transfer
        transfer.status = "ACCP"
        late = transfer.execute_on < self.today()
        if late or self.fault("transfer", "redate"):
            transfer.execute_on = self.today() if late else transfer.execute_on + timedelta(days=1)
            transfer.status, transfer.reason = "ACWC", "DT06"

    def _wait(self, order: Order) -> None:
        """Executes what has come to its day; looks again after a step for the rest."""
        waiting = [each for each in order.transfers if each.status in ("ACCP", "ACWC")]
        ready = [each for each in waiting if each.execute_on <= self.today()]
        if ready:
            for each in ready:
                each.status, each.reason = "ACSP", ""
            self._report(order, transfers=ready)
            self.after_seconds(self.step, lambda: self._settle(order, ready))
        if len(ready) < len(waiting):
            self.after_seconds(max(self.step, 1.0), lambda: self._wait(order))

    def _settle(self, order: Order, transfers: list[Transfer]) -> None:
        """Books. Where the money does not suffice for all of them, none of these is booked (AM04)."""
        account = self.ledger.accounts[order.debtor_account]
        total = sum((each.amount for each in transfers), Decimal())
        if total > account.balance:
            for each in transfers:
                each.status, each.reason = "RJCT", "AM04"
            self._close(order)
            self._report(order, transfers=transfers)
            return
        batch = order.batch or self.settings.get("bookings") == "batch"
        entries = self.ledger.book(order, transfers, self.today(), batch=batch)
        for each in transfers:
            each.status = "ACSC"
        self._close(order)
        whole = order.status == "ACSC" and len(transfers) == len(order.transfers)
        self._report(order, group="ACSC" if whole else "", transfers=transfers)
        self._notify(account.number, entries)
        for each in transfers:
            if fault := self.fault("transfer", "return"):
                self.after_seconds(fault.delay, lambda one=each: self.give_back(order, one, "AC04"))  # type: ignore[misc]

    def _close(self, order: Order) -> None:
        """The file's own word, once all of its transfers have their last."""
        words = {each.status for each in order.transfers}
        if words <= {"ACSC", "RJCT"}:
            order.status = words.pop() if len(words) == 1 else "PART"
            order.reason = order.transfers[0].reason if order.status == "RJCT" else ""

    def give_back(self, order: Order, transfer: Transfer, reason: str) -> None:
        entry = self.ledger.give_back(order, transfer, reason, self.today())
        if entry is not None:
            self._notify(order.debtor_account, [entry])

    # What the bank sends.

    def _report(self, order: Order, **said: Any) -> None:
        content = messages.report(self.version, self._message_id("PSR"), self.stamp(), order, **said)
        kind = messages.REPORT[self.version]
        if self.fault("file", "no_report"):
            return
        if self.fault("file", "garbled"):
            content = content[: len(content) // 2]
        if self.fault("file", "reorder"):
            self.held.append((kind, content))
            return
        self._send(kind, content)
        if self.fault("file", "double_report"):
            self._send(kind, content)
        while self.held:
            self._send(*self.held.pop())

    def _notify(self, number: str, entries: Sequence[Entry]) -> None:
        account = self.ledger.accounts[number]
        message_id = self._message_id("NTF")
        self._send(
            messages.NOTICE[self.version], messages.notice(self.version, message_id, self.stamp(), account, entries)
        )

    def _send(self, kind: str, content: bytes) -> None:
        place = len(self.files) + 1
        late = self.fault("file", "late_file")
        shown_from = self.clock() + late.delay if late else 0.0
        self.files.append(File(f"OUT{place:06d}", kind, self.stamp(), content, place, shown_from))

    def _message_id(self, prefix: str) -> str:
        return f"{prefix}{self.today():%Y%m%d}{next(self._count):06d}"

    def end_day(self) -> None:
        """A statement for each account; the closing balance is the next day's opening one."""
        for account in self.ledger.accounts.values():
            account.statements += 1
            entries = [self.ledger.entries[place] for place in account.open_entries]
            message_id = self._message_id("STM")
            content = messages.statement(self.version, message_id, self.stamp(), account, entries, self.today())
            self.statements.append(message_id)
            self._send(messages.STATEMENT[self.version], content)
            account.opening, account.open_entries = account.balance, []
