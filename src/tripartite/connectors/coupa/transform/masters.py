"""Suppliers and requisitions: Coupa's records into `Supplier` and `Requisition`."""

from __future__ import annotations

from tripartite.connectors.coupa import wire
from tripartite.connectors.coupa.transform.reading import (
    Drift,
    accounts_of,
    coding,
    company_code,
    company_words,
    currency_of,
    entered_day,
    number,
    optional_number,
    seconds,
    word,
)
from tripartite.connectors.coupa.transform.settings import Settings
from tripartite.connectors.coupa.transform.words import REQUISITION_LINE_TYPE, REQUISITION_STATUS, SUPPLIER_STATUS
from tripartite.core.money import Amount, Price
from tripartite.core.objects import Address, Requisition, RequisitionLine, Supplier
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


def read_requisition(record: wire.Requisition, settings: Settings) -> Requisition:
    """A requisition, known by its id. The approver is the last who said yes; the order is told by the order itself."""
    accounts = [
        found
        for position, line in enumerate(record.requisition_lines)
        for found in accounts_of(line.account, line.account_allocations, f"/requisition-lines/{position}")
    ]
    yes = [step for step in record.approvals or () if step.status == "approved" and step.approver]
    last = max(yes, key=lambda step: step.position or 0, default=None)
    return Requisition(
        number=str(record.id),
        company_code=company_code(company_words(accounts, record.ship_to_address, settings), settings),
        currency=currency_of(record.currency, "/currency/code"),
        status=word(REQUISITION_STATUS, record.status, "/status", "requisition status"),
        version=seconds(record.updated_at, "/updated-at"),
        requester=(record.requested_by and record.requested_by.login) or "",
        approver=(last and last.approver and last.approver.login) or "",
        lines=tuple(
            _requisition_line(line, record, f"/requisition-lines/{position}", settings)
            for position, line in enumerate(record.requisition_lines)
        ),
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
