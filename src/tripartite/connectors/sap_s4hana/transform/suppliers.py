"""SAP's business partners as our suppliers: the role of supplier with its company codes, tax number and bank accounts.

Only the master's word counts here; what a document states of a supplier is not looked at.
"""

from __future__ import annotations

from tripartite.connectors.sap_s4hana import wire
from tripartite.connectors.sap_s4hana.transform.reading import read_entity, single
from tripartite.connectors.sap_s4hana.transform.words import many, milliseconds, seconds, unpadded
from tripartite.core.objects import Address, BankAccount, Supplier
from tripartite.core.objects.supplier import SupplierStatus
from tripartite.runtime.protocol import Raw, Read, ReadResult, Unreadable


def read_supplier(raw: Raw) -> Read:
    """A business partner in its role of supplier, with its company codes and bank accounts."""
    return read_entity(raw, wire.A_BusinessPartner, _supplier)


def _supplier(partner: wire.A_BusinessPartner) -> Read:
    master = partner.to_Supplier
    number = unpadded(partner.Supplier or (master.Supplier if master else ""))
    if not number:
        return Unreadable("intake.type_not_supported", "/Supplier", "a business partner that is not a supplier")
    master = master or wire.A_Supplier()
    dropped: set[str] = set()
    rows = many(master.to_SupplierCompany)
    banks = many(partner.to_BusinessPartnerBank)
    if rows is None or banks is None:
        # Without them every invoice would look like one of a supplier that no company may pay.
        return Unreadable(
            "integration.schema_violated", "/to_Supplier/to_SupplierCompany", "companies or banks missing"
        )
    usable = [row for row in rows if row.CompanyCode and not row.DeletionIndicator]
    if len(usable) != len(rows):
        dropped.add("company codes marked for deletion")
    if any(row.SupplierIsBlockedForPosting for row in usable):
        dropped.add("company codes blocked for posting")
        usable = [row for row in usable if not row.SupplierIsBlockedForPosting]
    terms = {row.PaymentTerms for row in usable if row.PaymentTerms}
    if len(terms) > 1:
        dropped.add("PaymentTerms")  # they differ by company code; the order's count
    places = many(partner.to_BusinessPartnerAddress) or []
    if len(places) > 1:
        dropped.add("to_BusinessPartnerAddress")  # further addresses
    status: SupplierStatus = "active"
    if master.PostingIsBlocked or master.PaymentIsBlockedForSupplier or partner.BusinessPartnerIsBlocked:
        status = "blocked"
    elif master.DeletionIndicator or partner.IsMarkedForArchiving:
        status = "inactive"
    changed = milliseconds(partner.LastChangeDate or partner.CreationDate) // 1000
    changed += seconds(partner.LastChangeTime if partner.LastChangeDate else partner.CreationTime)
    value = Supplier(
        number=number,
        name=partner.BusinessPartnerFullName or partner.BusinessPartnerName or master.SupplierName or number,
        version=changed or 1,
        company_codes=tuple(sorted({row.CompanyCode or "" for row in usable})),
        status=status,
        tax_id=_tax_id(partner, master),
        accounts=tuple(account for bank in banks if (account := _account(bank))),
        address=_address(places[0]) if places else None,
        payment_terms=single(terms),
    )
    return ReadResult("supplier", value, tuple(sorted(dropped)))


def _tax_id(partner: wire.A_BusinessPartner, master: wire.A_Supplier) -> str:
    """The VAT number: the tax type of a country's code and 0 (`DE0`); the mirror in the supplier where it has none."""
    for row in many(partner.to_BusinessPartnerTax) or ():
        kind = row.BPTaxType or ""
        if len(kind) == 3 and kind[:2].isalpha() and kind[2] == "0":
            return row.BPTaxNumber or row.BPTaxLongNumber or ""
    return master.VATRegistration or ""


def _account(bank: wire.A_BusinessPartnerBank) -> BankAccount | None:
    if bank.IBAN:
        return BankAccount(bank.IBAN, bank.BankAccountHolderName or "", bank.SWIFTCode or "")
    number = (bank.BankAccount or "") + (bank.BankAccountReferenceText or "")
    if not number:
        return None
    return BankAccount(number, bank.BankAccountHolderName or "", bank.BankNumber or bank.SWIFTCode or "")


def _address(place: wire.A_BusinessPartnerAddress) -> Address:
    street = " ".join(part for part in (place.StreetName, place.HouseNumber) if part)
    return Address(
        lines=(street,) if street else (),
        city=place.CityName or "",
        postal_code=place.PostalCode or "",
        subdivision=place.Region or "",
        country=place.Country or "",
    )
