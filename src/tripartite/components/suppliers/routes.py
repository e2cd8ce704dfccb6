"""Questions about suppliers: one, many, and whether one may be traded with and paid."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tripartite.components.suppliers import store
from tripartite.core.objects import Supplier
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import Page, Problem, permission


def public(supplier: Supplier) -> dict[str, Any]:
    """A supplier as others may see it: accounts by country and last four only."""
    return {
        "supplier_id": supplier.supplier_id,
        "number": supplier.number,
        "name": supplier.name,
        "status": supplier.status,
        "version": supplier.version,
        "tax_id": supplier.tax_id,
        "payment_terms": supplier.payment_terms,
        "company_codes": list(supplier.company_codes),
        "names_elsewhere": supplier.names_elsewhere,
        "accounts": [f"{account.account[:2]}..{account.account[-4:]}" for account in supplier.accounts],
    }


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    @get("/v1/suppliers", opt=permission("supplier.read"), summary="Suppliers, by id")
    async def list_suppliers(after: str = "", limit: int = 50) -> Page:
        async with ports.db.connection() as connection:
            found = await store.suppliers(connection, after, min(limit, 200))
        return Page([public(each) for each in found], found[-1].supplier_id if len(found) == min(limit, 200) else "")

    @get("/v1/suppliers/{supplier_id:str}", opt=permission("supplier.read"), summary="One supplier")
    async def one_supplier(supplier_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await store.supplier(connection, supplier_id)
        if found is None:
            raise Problem("access.not_found", 404, f"No supplier {supplier_id}.")
        return public(found)

    @get(
        "/v1/suppliers/{supplier_id:str}/validation",
        opt=permission("supplier.read"),
        summary="May this supplier be traded with and paid",
    )
    async def validate(supplier_id: str) -> dict[str, Any]:
        async with ports.db.connection() as connection:
            found = await store.supplier(connection, supplier_id)
            twins = await store.twins(connection, found) if found else []
        findings = []
        if found is None:
            findings.append({"code": "supplier.unknown", "words": "No supplier has this id or number."})
        elif found.status == "blocked":
            findings.append({"code": "supplier.blocked", "words": "The supplier is on hold."})
        elif found.status != "active":
            findings.append({"code": "supplier.inactive", "words": f"The supplier is {found.status}."})
        if twins:
            findings.append({"code": "supplier.duplicate", "words": f"Same tax id as {', '.join(twins)}."})
        return {
            "supplier_id": found.supplier_id if found else supplier_id,
            "valid": not findings,
            "findings": findings,
            "as_of": ports.clock.now().isoformat(),
        }

    return [list_suppliers, one_supplier, validate]


__all__ = ["public", "routes"]
