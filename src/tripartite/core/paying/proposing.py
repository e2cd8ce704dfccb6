"""From posted items that are due to payments: one for each supplier and account, with numbers that can be computed.

Pure: who is held and who is not was asked before; the day comes as an argument. Credit memos are set off whole, the
oldest first, and never down to nothing: a bank is not asked to transfer zero, and what stays open is set off later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from tripartite.core import codec
from tripartite.core.money import Amount, Rate, minor_digits
from tripartite.core.objects import Address, BankAccount, Payment, PaymentItem

CREDITS = frozenset({"credit_memo", "subsequent_credit"})


class OpenItem(msgspec.Struct, frozen=True, kw_only=True):
    """A posted invoice or credit memo that nothing claims. `amount` is positive; `credit` gives the direction.

    `discount` may be taken off where the money leaves on `discount_on` at the latest. `attempt`: payments before this
    one that did not bring the money (rejected, returned, cancelled). `account`: the confirmed account it goes to.
    """

    invoice_id: str
    invoice_number: str
    supplier_id: str
    currency: str
    amount: Amount
    credit: bool
    account: BankAccount
    due_on: date
    discount_on: date | None = None
    discount: Amount | None = None
    document: str = ""
    year: str = ""
    issued_on: date | None = None
    attempt: int = 0


class Payee(msgspec.Struct, frozen=True):
    name: str
    address: Address | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A payment run: what is due up to `pay_until` leaves `account` on `execute_on`, all in `currency`."""

    company_code: str
    account: BankAccount
    currency: str
    pay_until: date
    execute_on: date


def discount_of(amount: Decimal, percent: Rate, currency: str) -> Amount:
    """The early-payment discount: `percent` of `amount`.

    Rounding: half-even, once, to the currency's minor unit. Example: 2 % of 47.60 EUR -> 0.95 EUR.
    """
    unit = Decimal(1).scaleb(-minor_digits(currency))
    return Amount((amount * percent / 100).quantize(unit, ROUND_HALF_EVEN))


def is_due(item: OpenItem, run: Run) -> bool:
    """Whether an item belongs into a run: due by its end, or its discount would be lost by waiting for the next."""
    if item.due_on <= run.pay_until:
        return True
    return bool(item.discount) and item.discount_on is not None and run.execute_on <= item.discount_on <= run.pay_until


def propose(run: Run, items: Iterable[OpenItem], payees: dict[str, Payee]) -> list[Payment]:
    """The payments of a run, by number. Only items in the run's currency count; each is in one payment at most.

    Amounts: each item less its discount where it is taken in time; credit memos negative. Sum above zero, always.
    """
    groups: dict[tuple[str, str], list[OpenItem]] = {}
    credits: dict[str, list[OpenItem]] = {}
    for item in items:
        if item.currency != run.currency or item.amount <= 0:
            continue
        if item.credit:
            credits.setdefault(item.supplier_id, []).append(item)
        elif is_due(item, run):
            groups.setdefault((item.supplier_id, item.account.account), []).append(item)
    # The largest group of a supplier takes its credit memos first.
    order = sorted(groups, key=lambda key: (key[0], -sum(each.amount for each in groups[key]), key[1]))
    payments = []
    for supplier, account in order:
        invoices = groups[supplier, account]
        lines = [_line(each, run) for each in invoices]
        left = sum((Decimal(line.amount) for line in lines), Decimal(0))
        waiting = sorted(
            credits.get(supplier, ()), key=lambda each: (each.issued_on or run.execute_on, each.invoice_id)
        )
        attempts = [(each.invoice_id, each.attempt) for each in invoices]
        for credit in waiting:
            if left - credit.amount > 0:
                lines.append(_line(credit, run))
                attempts.append((credit.invoice_id, credit.attempt))
                left -= credit.amount
                credits[supplier].remove(credit)
        payments.append(_payment(run, supplier, invoices, lines, attempts, payees[supplier]))
    return sorted(payments, key=lambda payment: payment.number)


def _line(item: OpenItem, run: Run) -> PaymentItem:
    taken = item.discount if not item.credit and item.discount_on and run.execute_on <= item.discount_on else None
    amount = -item.amount if item.credit else item.amount - (taken or Decimal(0))
    return PaymentItem(
        invoice_id=item.invoice_id,
        invoice_number=item.invoice_number,
        amount=Amount(amount),
        document=item.document,
        year=item.year,
        issued_on=item.issued_on,
        discount=taken,
    )


def _payment(
    run: Run,
    supplier: str,
    invoices: Sequence[OpenItem],
    lines: list[PaymentItem],
    attempts: list[tuple[str, int]],
    payee: Payee,
) -> Payment:
    lines.sort(key=lambda line: (line.amount < 0, line.issued_on or run.execute_on, line.invoice_id))
    account = invoices[0].account
    amount = Amount(sum((line.amount for line in lines), Decimal(0)))
    assert amount > 0, "a payment moves money"
    parts = [supplier, account.account, run.account.account, *(f"{one}/{place}" for one, place in sorted(attempts))]
    return Payment(
        number=_number(run.company_code, run.execute_on, "", [*parts, str(amount), run.currency]),
        company_code=run.company_code,
        supplier_id=supplier,
        currency=run.currency,
        amount=amount,
        status="proposed",
        supplier_name=payee.name,
        account=account,
        address=payee.address,
        due_on=min(each.due_on for each in invoices),
        items=tuple(lines),
    )


def _number(company: str, day: date, kind: str, parts: Sequence[str]) -> str:
    """A number of at most 35 characters that every bank takes: letters, digits, hyphens. The same parts, the same."""
    digest = hashlib.sha256("\x1f".join((kind, company, day.isoformat(), *parts)).encode()).hexdigest()[:12].upper()
    return f"{company}-{day:%y%m%d}-{kind}{digest}"


def content_hash(run: Run, payments: Sequence[Payment]) -> str:
    """What a release binds to: account, day and every payment with its items and the account it goes to."""
    plain = [msgspec.structs.replace(each, status="proposed", version=1) for each in payments]
    shown = (run, tuple(sorted(plain, key=lambda each: each.number)))
    return hashlib.sha256(codec.encode(shown)).hexdigest()


def proposal_number(run: Run, payments: Sequence[Payment]) -> str:
    return _number(run.company_code, run.execute_on, "P", [run.account.account, *(each.number for each in payments)])


def order_number(run: Run, content: str) -> str:
    """The order's message id: another content is another order, the same content never a second one."""
    return _number(run.company_code, run.execute_on, "B", [run.account.account, content])
