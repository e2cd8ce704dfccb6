"""What is asked of the whole document: supplier, currency, contract, review, dates, the sample. S9, S11, S27, S32, S36,
S43. Line 0 unless a line is concerned."""

from __future__ import annotations

import hashlib
from datetime import date
from fractions import Fraction

from tripartite.core.matching.billed import Bill, BilledLine
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import ZERO, exact, minor_part
from tripartite.core.matching.ordered import OrderBook, Ordered
from tripartite.core.matching.policy import Limits, within
from tripartite.core.matching.state import Work
from tripartite.core.matching.totals import amount
from tripartite.core.money import minor_digits


def check_supplier(work: Work, book: Book, orders: list[OrderBook], *, carrier: bool) -> None:
    """The orders' supplier, and what the master says of the biller. Rule: S36."""
    bill = work.bill
    others = sorted({order.number for order in orders if order.supplier != bill.supplier})
    if others and not carrier:
        work.say(
            "supplier.mismatch", 0, None, f"Order {', '.join(others)} was placed with another supplier.", rule="S36"
        )
    if book.suppliers is None:
        return
    facts = book.suppliers.get(bill.supplier)
    if facts is None:
        work.say("supplier.unknown", 0, None, "The supplier is not in the master.", rule="S36")
        return
    if facts.status == "blocked":
        work.say("supplier.blocked", 0, None, "The supplier is blocked.", rule="S36")
    elif facts.status != "active":
        work.say("supplier.inactive", 0, None, f"The supplier is {facts.status}.", rule="S36")
    remit_to = bill.doc.remit_to
    if remit_to is not None and remit_to.account not in facts.accounts:
        work.say("supplier.bank_mismatch", 0, None, "The account to pay is not the one in the master.", rule="S36")
    if facts.invoice_limit is not None and not bill.credit:
        gross, limit = bill.numbers(book).gross, exact(facts.invoice_limit)
        if gross > limit:
            work.say(
                "match.amount_over_supplier_limit",
                0,
                gross - limit,
                f"Gross {amount(gross)} is above the supplier's limit of {amount(limit)}.",
                breach=amount(gross),
                limit=amount(limit),
                unit=bill.currency,
                rule="S11",
            )


def check_currency(work: Work, book: Book, orders: list[OrderBook]) -> None:
    """Document currency against the orders', and the stated exchange rate against the table. Rule: S27."""
    bill = work.bill
    foreign = sorted({order.doc.currency for order in orders} - {bill.currency})
    if foreign:
        work.say(
            "currency.mismatch",
            0,
            None,
            f"The invoice is in {bill.currency}, the order in {', '.join(foreign)}: prices are not compared.",
            rule="S27",
        )
    company = book.companies.get(bill.company)
    if company is None or company.currency == bill.currency:
        return
    known = [entry for entry in book.exchange.get((bill.currency, company.currency), ()) if entry.valid_on <= bill.day]
    if not known:
        work.say(
            "currency.rate_missing",
            0,
            None,
            f"No rate from {bill.currency} to {company.currency} up to {bill.day.isoformat()}.",
            rule="S27",
        )
        return
    if bill.doc.rate is None:
        return
    table = exact(max(known, key=lambda entry: entry.valid_on).rate)
    stated = exact(bill.doc.rate)
    net = bill.numbers(book).net
    limits = work.limits
    off = abs(stated - table)
    # The absolute bound is in company currency on the net; turned into a rate so that one comparison serves both.
    absolute = limits.rate_absolute
    if absolute and net:
        absolute = absolute / abs(net)
    if within(off, table, limits.rate_percent, absolute, lenient=limits.lenient):
        return
    scale = 10 ** minor_digits(company.currency)
    variance = minor_part(round((stated - table) * net * scale), scale)
    work.say(
        "currency.rate_over_limit",
        0,
        variance,
        f"Rate {amount(stated)} is stated, the table has {amount(table)}: {amount(variance)} {company.currency}.",
        breach=amount(off),
        limit=f"percent {limits.policy.rate.upper_percent}, absolute {limits.policy.rate.upper_absolute}",
        unit=company.currency,
        rule="S27",
    )


def check_contracts(work: Work, book: Book, orders: list[OrderBook], spent: dict[str, Fraction]) -> None:
    """Orders outside their contract's dates, of another supplier, of an unknown one, or overspent. Rule: S32.

    `spent`: net value billed so far per contract, this invoice included.
    """
    why: list[str] = []
    for order in orders:
        name = order.doc.contract
        if not name:
            continue
        contract = book.contracts.get(name)
        day = order.doc.issued_on
        if contract is None:
            why.append(f"contract {name} is not known")
        elif contract.supplier_id != order.supplier:
            why.append(f"contract {name} is another supplier's")
        elif day is not None and not contract.valid_from <= day <= contract.valid_to:
            why.append(f"order {order.number} of {day.isoformat()} is outside contract {name}")
        elif contract.max_amount is not None and spent.get(name, ZERO) > exact(contract.max_amount):
            why.append(f"{amount(spent[name])} is billed on contract {name}, {contract.max_amount} is agreed")
    if why:
        words = "; ".join(dict.fromkeys(why))
        work.say("reference.contract_invalid", 0, None, f"{words[0].upper()}{words[1:]}.", rule="S32")


def check_status(work: Work, billed: BilledLine, ordered: Ordered, *, final: bool) -> None:
    """Closed or not approved. Rule: S39."""
    if (ordered.closed or final) and (billed.line, "reference.order_closed") not in work.reasons:
        what = "was finally billed" if final and not ordered.closed else "is closed"
        work.say(
            "reference.order_closed",
            billed.line,
            None,
            f"Order {ordered.order.number} line {ordered.line} {what}.",
            rule="S39",
        )
    if ordered.order.draft:
        work.say(
            "reference.order_not_approved",
            billed.line,
            None,
            f"Order {ordered.order.number} is not approved.",
            rule="S39",
        )


def check_review(work: Work, billed: BilledLine) -> None:
    """A single line above the review amount. Rule: S11."""
    limit = work.limits.review_amount
    if limit is not None and billed.amount > limit:
        work.say(
            "match.amount_over_review",
            billed.line,
            None,
            f"Line {billed.line} of {amount(billed.amount)} is above the review amount of {amount(limit)}.",
            breach=amount(billed.amount),
            limit=amount(limit),
            unit=work.bill.currency,
            rule="S11",
        )


def check_early(work: Work, billed: BilledLine, ordered: Ordered, share: Fraction, as_of: date) -> None:
    """Line amount x days before the agreed date. Rule: S9."""
    limit, due = work.limits.early_value_days, ordered.doc.due_on
    if limit is None or due is None or due <= as_of:
        return
    days = (due - as_of).days
    value_days = billed.amount * share * days
    if value_days > limit:
        work.say(
            "terms.early",
            billed.line,
            None,
            f"Line {billed.line} is billed {days} days before the agreed date: {amount(value_days)} value-days.",
            breach=amount(value_days),
            limit=amount(limit),
            unit="value-days",
            rule="S9",
        )


def check_tolerated(work: Work) -> None:
    """The sum of all upward differences that were tolerated one by one. Rule: S11."""
    limit = work.limits.document_absolute
    if limit is not None and work.tolerated > limit:
        work.say(
            "match.total_over_expected",
            0,
            work.tolerated,
            f"Tolerated differences of the invoice come to {amount(work.tolerated)}, {amount(limit)} is allowed.",
            breach=amount(work.tolerated),
            limit=amount(limit),
            unit=work.bill.currency,
            rule="S11",
        )


def sampled(bill: Bill, limits: Limits) -> bool:
    """Whether the beacon picks this invoice: nobody can predict it or rerun to escape. Rule: S43."""
    return limits.one_in > 0 and drawn(bill.company, bill.supplier, bill.doc.number, limits)


def drawn(company: str, supplier: str, number: str, limits: Limits) -> bool:
    """Whether the lot of a policy falls on the invoice of these three."""
    if limits.one_in <= 0:
        return False
    text = "|".join((limits.policy.sample.beacon, company, supplier, number))
    return int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % limits.one_in == 0
