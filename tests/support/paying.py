"""A company that pays: bank accounts in its estate, posted invoices, confirmed suppliers, people who release.

The bank connection is named and nothing answers for it: what is owed to it is looked at, and what it would say comes in
as canonical reports and statements.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from support.caller import Caller
from support.estates import development_estate
from support.house import House
from support.papers import SUPPLIER, supplier
from support.times import MORNING
from tripartite.components.payments.building import Built, Refused, Wanted, build
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.releasing import release
from tripartite.components.payments.telling import Cause
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.estate import Connection, Estate, OwnAccount
from tripartite.core.events import (
    CANONICAL,
    EXCEPTION_EVENTS,
    INVOICE_EVENTS,
    SUPPLIER_EVENTS,
    BankStatementArrived,
    InvoiceChanged,
    PaymentReportArrived,
    SupplierRecorded,
)
from tripartite.core.exceptions.record import Event, ExceptionRecord
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.core.objects import (
    BankAccount,
    BankEntry,
    BankStatement,
    PaymentReport,
    TransferReport,
)
from tripartite.runtime.auth import Principal
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.db import Connection as Database
from tripartite.runtime.deliveries import OUTCOMES

OUR_ACCOUNT = "DE89370400440532013000"
THEIR_ACCOUNT = "FR1420041010050500013M02606"
OTHER_ACCOUNT = "NL91ABNA0417164300"
FRIDAY = date(2026, 11, 20)


def paying_estate(mode: str = "act", kind: str = "iso20022_bank") -> Estate:
    """The development estate with a bank for DE01 and an account in EUR."""
    estate = development_estate()
    bank = Connection(name="our_bank", kind=kind, role="bank", companies=("*",), modes={"*": mode})  # type: ignore[dict-item]
    return msgspec.structs.replace(
        estate,
        connections=(*estate.connections, bank),
        accounts=(OwnAccount("DE01", OUR_ACCOUNT, "EUR", "our_bank", "COBADEFFXXX"),),
    )


def paid_to(number: str = SUPPLIER, *accounts: str, **further: Any) -> Any:
    """A supplier with its accounts (the usual one where none is given)."""
    known = tuple(BankAccount(each, f"Supplier {number}", "PSSTFRPPXXX") for each in accounts or (THEIR_ACCOUNT,))
    return supplier(number, supplier_id=stable_id("sup", number), accounts=known, **further)


def recorded(
    value: Any = None, *, confirmed: tuple[str, ...] | None = None, suspended: str = "", copy: int = 0
) -> Outgoing:
    """The supplier master's word; all accounts are confirmed where nothing else is said."""
    value = value or paid_to()
    sure = value.accounts if confirmed is None else tuple(a for a in value.accounts if a.account in confirmed)
    reasons = (suspended,) if suspended else ()
    payload = codec.encode(
        SupplierRecorded(value, "suspended" if suspended else "eligible", reasons, confirmed_accounts=sure)
    )
    return _message(SUPPLIER_EVENTS, "supplier.recorded", "*", value.supplier_id, payload, copy=copy)


def posted(
    number: str = "RE-1001",
    amount: str = "47.60",
    *,
    of: str = SUPPLIER,
    kind: str = "invoice",
    due_on: date | None = FRIDAY,
    version: int = 2,
    company: str = "DE01",
    currency: str = "EUR",
    blocked: bool = False,
    source_document: str = "",
    what: str = "invoice.posted",
    copy: int = 0,
    **further: Any,
) -> Outgoing:
    """An invoice that the ERP booked, as the invoices component tells it."""
    value = InvoiceChanged(
        invoice_id=invoice_id(number),
        number=number,
        company_code=company,
        supplier_id=stable_id("sup", of),
        supplier_name=f"Supplier {of}",
        kind=kind,
        currency=currency,
        state="posted",
        verdict="post",
        decision=1,
        words="Posted.",
        gross=Amount(amount),
        issued_on=further.pop("issued_on", date(2026, 11, 2)),
        document=further.pop("document", f"51056{number[-4:]}/2026"),
        version=version,
        payable=Amount(amount),
        due_on=due_on,
        payment_block=blocked,
        connection="capture" if source_document else "",
        source_document=source_document,
        **further,
    )
    source = "sap" if what == "invoice.posted" else ""
    return _message(INVOICE_EVENTS, what, company, value.supplier_id, codec.encode(value), source=source, copy=copy)


def invoice_id(number: str) -> str:
    return stable_id("inv", number)


def trouble(
    object_id: str,
    code: str = "match.quantity_returned",
    *,
    state: str = "open",
    version: int = 1,
    blocks: str = "payment",
    released_by: tuple[str, ...] = (),
    copy: int = 0,
) -> Outgoing:
    """An exception of another component."""
    record = ExceptionRecord(
        exception_id=stable_id("exc", object_id, code),
        company_code="DE01",
        version=version,
        reason_code=code,
        severity="high",
        object_kind="invoice",
        object_id=object_id,
        object_version=1,
        line=0,
        opening=1,
        state=state,  # type: ignore[arg-type]
        owner_role="buyer",
        opened_at=MORNING,
        blocks=blocks,  # type: ignore[arg-type]
        release="owner",
        next_action="look",
        exposure=Amount("1.00"),
        money_at_risk=Amount("1.00"),
        value_held=Amount("0"),
        currency="EUR",
        cause_key="tests",
        computed_from="tests",
        content_hash="tests",
        policy_release="tests",
        code_version="tests",
        event=Event("opened", MORNING, "engine"),
        released_by=released_by,
    )
    return _message(EXCEPTION_EVENTS, "exception.opened", "DE01", object_id, codec.encode(record), copy=copy)


def reported(
    order: str, *transfers: TransferReport, status: str = "", at: datetime = MORNING, number: str = "", copy: int = 0
) -> Outgoing:
    """A status report of the bank."""
    report = PaymentReport(
        number=number or stable_id("rep", order, status, *(f"{each.number}{each.status}" for each in transfers)),
        order_number=order,
        reported_at=at,
        status=status,  # type: ignore[arg-type]
        word=status,
        transfers=transfers,
    )
    payload = codec.encode(PaymentReportArrived(report))
    return _message(CANONICAL["payment_report"], "payment_report.received", "*", order, payload, "our_bank", copy=copy)


def transfer(number: str, status: str, reason: str = "") -> TransferReport:
    return TransferReport(number, status, status.upper(), reason)  # type: ignore[arg-type]


def entry(key: str, amount: str, direction: str = "debit", *, status: str = "booked", **further: Any) -> BankEntry:
    known = {"booked_on": date(2026, 11, 23), "bank_reference": f"REF-{key}", **further}
    return BankEntry(key, Amount(amount), direction, status, **known)  # type: ignore[arg-type]


def stated(*entries: BankEntry, kind: str = "statement", number: str = "S-1", copy: int = 0) -> Outgoing:
    value = BankStatement(number, OUR_ACCOUNT, "EUR", kind, MORNING, entries=entries)  # type: ignore[arg-type]
    payload = codec.encode(BankStatementArrived(value))
    return _message(
        CANONICAL["bank_statement"], "bank_statement.received", "*", OUR_ACCOUNT, payload, "our_bank", copy=copy
    )


def delivered(order: str, state: str, detail: str = "") -> Outgoing:
    """What became of the order's delivery, as the deliveries tell it."""
    outcome = DeliveryOutcome(
        key="dlv", connection="our_bank", operation="send_payment_order", object_kind="payment_order", object_id=order,
        object_version=1, state=state, at=MORNING, detail=detail,  # type: ignore[arg-type]
    )  # fmt: skip
    message = Message(
        f"msg {order} {state}", f"tripartite.delivery.{state}.v1", "DE01", order, "c", MORNING, codec.encode(outcome)
    )
    return Outgoing(OUTCOMES, message)


def _message(
    topic: str, what: str, company: str, key: str, payload: bytes, source: str = "", *, copy: int = 0
) -> Outgoing:
    return Outgoing(
        topic,
        Message(
            message_id=stable_id("msg", topic, what, payload.decode(), str(copy)),
            type=f"tripartite.{what}.v1",
            company_code=company,
            key=key,
            correlation_id=stable_id("c", key),
            occurred_at=MORNING,
            payload=payload,
            source=source,
        ),
    )


def person(name: str, human: str = "", kind: str = "person") -> Principal:
    rights = frozenset({"payment.read", "payment.propose", "payment.release", "payment.hold", "hold.release"})
    return Principal(name, kind, rights, None, human or name)  # type: ignore[arg-type]


class Treasury:
    """Acts on payments in a house, each in a transaction of its own."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def tell(self, *outgoing: Outgoing) -> None:
        """Facts arrive together, and everybody reads."""
        await self.house.publish(*outgoing)
        await self.house.pump()

    async def act(self, work: Any) -> Any:
        async def inside(connection: Database) -> Any:
            desk = Desk(self.house.ports, connection, Cause(self.house.ports.ids.new("req")))
            done = await work(desk)
            await desk.finish()
            return done

        return await self.house.db.transaction(inside)

    async def build(self, by: Principal | None = None, **further: Any) -> Built:
        wanted = Wanted(company_code="DE01", **further)
        built = await self.act(lambda desk: build(desk, wanted, by))
        assert isinstance(built, Built), built
        return built

    async def release(self, number: str, by: Principal, shown: str = "") -> Any:
        """A release of what stands now; the proposal or why not."""
        rows = await self.house.rows("SELECT content_hash FROM payments.proposal WHERE number = %s", number)
        done = await self.act(lambda desk: release(desk, number, shown or rows[0][0], by))
        await self.house.pump()
        return done

    async def released(self, number: str) -> str:
        """Two people release it; the number of the order."""
        for name in ("ada", "ben"):
            done = await self.release(number, person(name))
            assert not isinstance(done, Refused), done
        order: str = done.order_number
        assert order
        return order

    async def ordered(self, *outgoing: Outgoing) -> tuple[str, str]:
        """These items are proposed and released: (payment, order) of the only payment."""
        await self.tell(recorded(), *(outgoing or (posted(),)))
        built = await self.build()
        assert built.proposal is not None
        order = await self.released(built.proposal.number)
        return str(await self.house.value("SELECT number FROM payments.payment WHERE order_number = %s", order)), order

    async def states(self) -> dict[str, str]:
        """invoice number -> the state of its newest payment."""
        rows = await self.house.rows(
            """SELECT i.number, p.state FROM payments.item i JOIN payments.payment_item pi USING (invoice_id)
            JOIN payments.payment p ON p.number = pi.number ORDER BY pi.living, p.changed_at, p.version"""
        )
        return dict(rows)

    async def state(self, number: str) -> str:
        return str(await self.house.value("SELECT state FROM payments.payment WHERE number = %s", number))

    async def open_codes(self) -> list[str]:
        rows = await self.house.rows(
            "SELECT reason_code FROM payments.exception WHERE state = 'open' ORDER BY reason_code, exception_id"
        )
        return [row[0] for row in rows]

    async def living(self) -> int:
        return int(await self.house.value("SELECT count(*) FROM payments.payment_item WHERE living"))


__all__ = ["Caller", "Treasury"]
