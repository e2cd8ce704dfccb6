"""Suppliers, requisitions and budget lines: Coupa's records into ours."""

from __future__ import annotations

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.reading import (
    SCHEMA,
    Drift,
    accounts_of,
    coding,
    company_code,
    company_words,
    currency_of,
    day_of_moment,
    entered_day,
    number,
    optional_number,
    seconds,
    word,
)
from tripartite.connectors.coupa.transform.settings import Settings
from tripartite.connectors.coupa.transform.words import (
    APPROVAL_STATUS,
    REQUISITION_LINE_TYPE,
    REQUISITION_STATUS,
    SUPPLIER_STATUS,
)
from tripartite.core.money import Amount, Price
from tripartite.core.objects import Address, ApprovalStep, Budget, Requisition, RequisitionLine, Supplier
from tripartite.core.quantity import Quantity


def supplier_number(supplier: wire.Supplier | wire.SupplierRef | None) -> str:
    """The source's own number for a supplier: `number`, or `#<id>` as long as the ERP has given none."""
    if supplier is None:
        return ""
    if supplier.number:
        return supplier.number
    return f"#{supplier.id}" if supplier.id else ""


def read_supplier(record: wire.Supplier, settings: Settings) -> Supplier:
    """A supplier. A hold of any kind blocks it; `status` alone says active, inactive or draft.

    Companies: the charts of accounts it is open for, where the chart is what names a company. A chart that is not
    listed is left out here, since a supplier may serve more companies than this estate has.
    """
    status = word(SUPPLIER_STATUS, record.status, "/status", "supplier status")
    if status == "active" and (record.on_hold or record.buyer_hold):
        status = "blocked"
    names: dict[str, str] = {}
    if settings.erp_connection and record.number:
        names[settings.erp_connection] = record.number
    return Supplier(
        number=supplier_number(record),
        name=record.name,
        version=seconds(record.updated_at, "/updated-at"),
        company_codes=_companies(record, settings),
        status=status,
        tax_id=record.tax_id or "",
        address=_address(record.primary_address),
        payment_terms=(record.payment_term and record.payment_term.code) or "",
        names_elsewhere=names,
    )


def _companies(record: wire.Supplier, settings: Settings) -> tuple[str, ...]:
    if settings.company_from == "account-type":
        stated = [chart.name for chart in record.account_types or ()]
    elif settings.company_from == "content-group":
        stated = [group.name for group in record.business_groups or ()]
    else:
        return ()
    codes = (name if settings.company_same else settings.companies.get(name, "") for name in stated if name)
    return tuple(dict.fromkeys(code for code in codes if code))


def _address(stated: wire.Address | None) -> Address | None:
    if stated is None:
        return None
    lines = (stated.street1, stated.street2, stated.street3, stated.street4)
    return Address(
        lines=tuple(line for line in lines if line),
        city=stated.city or "",
        postal_code=stated.postal_code or "",
        subdivision=stated.state or "",
        country=(stated.country and stated.country.code) or "",
    )


def approval_steps(
    steps: tuple[wire.Approval, ...] | None, pointer: str, settings: Settings
) -> tuple[ApprovalStep, ...]:
    """An approval chain in its order. A word that no table holds is `unknown`; the day is that of the decision."""
    found = []
    for place, step in enumerate(steps or ()):
        decision = APPROVAL_STATUS.get(step.status or "", "unknown")
        decided = decision in {"approved", "rejected", "skipped"}
        found.append(
            ApprovalStep(
                approver=(step.approver and step.approver.login) or "",
                decision=decision,
                position=step.position or 0,
                decided_on=day_of_moment(step.updated_at, settings, f"{pointer}/{place}/updated-at")
                if decided
                else None,
            )
        )
    return tuple(sorted(found, key=lambda step: step.position))


def approver_of(steps: tuple[ApprovalStep, ...]) -> str:
    """Who said yes last."""
    return next((step.approver for step in reversed(steps) if step.decision == "approved"), "")


def read_requisition(record: wire.Requisition, settings: Settings) -> Requisition:
    """A requisition, known by its id. The approver is the last who said yes; the order is told by the order itself.

    Amount: the sum of the lines as stated, exact; None where a line states none.
    """
    accounts = [
        found
        for position, line in enumerate(record.requisition_lines)
        for found in accounts_of(line.account, line.account_allocations, f"/requisition-lines/{position}")
    ]
    steps = approval_steps(record.approvals, "/approvals", settings)
    lines = tuple(
        _requisition_line(line, record, f"/requisition-lines/{position}", settings)
        for position, line in enumerate(record.requisition_lines)
    )
    stated = [line.amount for line in lines if line.amount is not None]
    centres = {line.cost_centre for line in lines}
    return Requisition(
        number=str(record.id),
        company_code=company_code(company_words(accounts, record.ship_to_address, settings), settings),
        currency=currency_of(record.currency, "/currency/code"),
        status=word(REQUISITION_STATUS, record.status, "/status", "requisition status"),
        version=seconds(record.updated_at, "/updated-at"),
        requester=(record.requested_by and record.requested_by.login) or "",
        approver=approver_of(steps),
        lines=lines,
        approvals=steps,
        amount=Amount(sum(stated, Amount(0))) if lines and len(stated) == len(lines) else None,
        cost_centre=centres.pop() if len(centres) == 1 else "",
        needed_on=min((line.needed_on for line in lines if line.needed_on), default=None),
    )


def read_budget(record: wire.BudgetLine, settings: Settings) -> Budget:
    """A budget line of one cost centre, as it stood when Coupa was asked. Its company is its period's chart.

    Errors: `Drift` where the connection does not say which segment is the cost centre, or the line has none.
    """
    place = settings.cost_centre_from
    centre = getattr(record, place.replace("-", "_"), None) if place else None
    if not centre:
        raise Drift(f"/{place or 'segment-1'}", "a budget line without a cost centre", SCHEMA)
    period = record.period or wire.Period()
    if settings.company_from.startswith("segment-"):
        stated = getattr(record, settings.company_from.replace("-", "_"))
        words = [(f"/{settings.company_from}", stated)] if stated else []
    else:
        words = company_words([("/period", wire.Account(account_type=period.account_type))], None, settings)
    return Budget(
        number=str(record.id),
        company_code=company_code(words, settings),
        currency=currency_of(record.currency, "/currency/code"),
        amount=number(Amount, record.amount, "/amount"),
        remaining=number(Amount, record.remaining, "/remaining"),
        cost_centre=centre,
        version=seconds(record.updated_at, "/updated-at"),
        period=period.name or "",
        starts_on=entered_day(period.start_date, settings, "/period/start-date"),
        ends_on=entered_day(period.end_date, settings, "/period/end-date"),
        pending=optional_number(Amount, record.pending_requisitions_amount, "/pending_requisitions_amount"),
        stops=bool(record.error_on_overrun),
    )


def _requisition_line(
    line: wire.RequisitionLine, record: wire.Requisition, pointer: str, settings: Settings
) -> RequisitionLine:
    if line.currency and record.currency and line.currency.code != record.currency.code:
        raise Drift(f"{pointer}/currency/code", "a line in another currency than its requisition")
    counted = word(REQUISITION_LINE_TYPE, line.line_type, f"{pointer}/line-type", "line type") == "quantity"
    account, centre = coding(accounts_of(line.account, line.account_allocations, pointer), settings)
    return RequisitionLine(
        line=line.line_num,
        description=line.description or "",
        item=(line.item and line.item.item_number) or "",
        quantity=number(Quantity, line.quantity, f"{pointer}/quantity") if counted else None,
        unit=(line.uom and line.uom.code) or "EA",
        price=number(Price, line.unit_price, f"{pointer}/unit-price") if counted else None,
        amount=optional_number(Amount, line.total if counted else line.total or line.unit_price, f"{pointer}/total"),
        cost_centre=centre,
        account=account,
        supplier_number=supplier_number(line.supplier),
        needed_on=entered_day(line.need_by_date, settings, f"{pointer}/need-by-date"),
    )
