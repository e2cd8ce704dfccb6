"""The supplier master as we keep it: identity, status, accounts. Owner: procurement; ERP and finance validate."""

from __future__ import annotations

from typing import Literal

import msgspec

from tripartite.core.objects.party import Address, BankAccount

SupplierStatus = Literal["draft", "active", "inactive", "blocked"]


class Supplier(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One supplier. `number` is the source's own number for it; ours is `supplier_id` once known.

    `names_elsewhere` is the cross-reference the source itself knows: connection -> number there.
    """

    number: str
    name: str
    version: int = 1
    supplier_id: str = ""
    company_codes: tuple[str, ...] = ()
    status: SupplierStatus = "active"
    tax_id: str = ""
    endpoint: str = ""
    accounts: tuple[BankAccount, ...] = ()
    address: Address | None = None
    payment_terms: str = ""
    withholding: str = ""  # a tax code
    names_elsewhere: dict[str, str] = {}
    changed_by: str = ""  # who made this version in its system, as the system names them
