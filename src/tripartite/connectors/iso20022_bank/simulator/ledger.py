"""The bank's books: accounts, entries, and the registries by which it knows a second copy. No messages, no HTTP."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from tripartite.connectors.iso20022_bank.simulator.orders import Order, Transfer

# One of ours, and the money in it: a development estate needs no more.
USUAL_ACCOUNT = "DE89370400440532013000:EUR:1000000.00"


class Account(msgspec.Struct):
    number: str
    currency: str
    opening: Decimal  # of the day that is not closed
    balance: Decimal
    name: str = ""
    statements: int = 0
    open_entries: list[int] = []  # places in the ledger since the last statement


class Entry(msgspec.Struct):
    """One movement. `amount` is positive, `credit` its direction; `transfers` are inside it."""

    account: str
    amount: Decimal
    currency: str
    credit: bool
    booked_on: date
    reference: str
    message_id: str
    block_id: str
    transfers: tuple[Transfer, ...]
    batch: bool = False
    reason: str = ""  # of a return


class Ledger:
    """What the bank has committed."""

    def __init__(self, accounts: str, references: str) -> None:
        self._references = references
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self.digests: dict[str, str] = {}  # of a file's bytes -> its message id
        self.payments: dict[str, Transfer] = {}  # by end-to-end id: what the bank has taken upon itself
        self.entries: list[Entry] = []
        self.returned: dict[str, str] = {}  # end-to-end id -> reason
        for each in accounts.split(","):
            number, currency, balance = each.strip().split(":")
            self.open_account(number, currency, balance)

    def open_account(self, number: str, currency: str, balance: str, name: str = "") -> None:
        amount = Decimal(balance)
        self.accounts[number] = Account(number, currency, amount, amount, name)

    def reference(self, order: Order) -> str:
        """The bank's reference of the next entry, as this bank gives them."""
        if self._references == "missing":
            return ""
        return f"BK{order.file_id}" if self._references == "shared" else f"BK{len(self.entries) + 1:08d}"

    def book(self, order: Order, transfers: list[Transfer], today: date, *, batch: bool) -> list[Entry]:
        """Debit the account: one entry for all of `transfers`, or one for each."""
        made: list[Entry] = []
        for some in [transfers] if batch else [[each] for each in transfers]:
            reference = self.reference(order)
            for each in some:
                each.reference, each.booked_on = reference or f"TX{order.file_id}", today
            made.append(
                self._post(
                    Entry(
                        account=order.debtor_account,
                        amount=sum((each.amount for each in some), Decimal()),
                        currency=some[0].currency,
                        credit=False,
                        booked_on=today,
                        reference=reference,
                        message_id=order.message_id,
                        block_id=order.block_id,
                        transfers=tuple(some),
                        batch=batch,
                    )
                )
            )
        return made

    def give_back(self, order: Order, transfer: Transfer, reason: str, today: date) -> Entry | None:
        """Money of an executed transfer comes back, once."""
        if transfer.end_to_end_id in self.returned or transfer.status != "ACSC":
            return None
        self.returned[transfer.end_to_end_id] = reason
        return self._post(
            Entry(
                account=order.debtor_account,
                amount=transfer.amount,
                currency=transfer.currency,
                credit=True,
                booked_on=today,
                reference="" if self._references == "missing" else f"BK{len(self.entries) + 1:08d}",
                message_id=order.message_id,
                block_id=order.block_id,
                transfers=(transfer,),
                reason=reason,
            )
        )

    def _post(self, entry: Entry) -> Entry:
        account = self.accounts[entry.account]
        account.balance += entry.amount if entry.credit else -entry.amount
        account.open_entries = [*account.open_entries, len(self.entries)]
        self.entries.append(entry)
        return entry

    def truth(self) -> dict[str, Any]:
        """What happened, for whoever checks: texts and numbers, no objects of ours."""
        bookings: dict[str, int] = {}
        for entry in self.entries:
            for transfer in entry.transfers if not entry.credit else ():
                bookings[transfer.end_to_end_id] = bookings.get(transfer.end_to_end_id, 0) + 1
        return {
            "accounts": {
                each.number: {
                    "currency": each.currency,
                    "opening": str(each.opening),
                    "balance": str(each.balance),
                    "statements": each.statements,
                }
                for each in self.accounts.values()
            },
            "orders": {
                each.message_id: {
                    "status": each.status,
                    "reason": each.reason,
                    "copies": each.copies,
                    "digest": each.digest,
                    "transfers": [transfer.end_to_end_id for transfer in each.transfers],
                }
                for each in self.orders.values()
            },
            "payments": {
                each.end_to_end_id: {
                    "amount": str(each.amount),
                    "currency": each.currency,
                    "creditor_account": each.creditor_account,
                    "creditor_name": each.creditor_name,
                    "remittance": list(each.remittance),
                    "status": each.status,
                    "reason": each.reason,
                    "execute_on": each.execute_on.isoformat(),
                    "booked_on": each.booked_on.isoformat() if each.booked_on else "",
                    "bookings": bookings.get(each.end_to_end_id, 0),
                    "returned": self.returned.get(each.end_to_end_id, ""),
                }
                for each in self.payments.values()
            },
            "entries": [
                {
                    "account": each.account,
                    "amount": str(each.amount),
                    "direction": "credit" if each.credit else "debit",
                    "booked_on": each.booked_on.isoformat(),
                    "reference": each.reference,
                    "payments": [transfer.end_to_end_id for transfer in each.transfers],
                    "reason": each.reason,
                }
                for each in self.entries
            ],
        }
