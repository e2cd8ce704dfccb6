"""Who a document speaks of: a party with its identifiers, address, contact and bank accounts, as stated."""

from __future__ import annotations

import msgspec


class Identifier(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An identifier and the scheme it belongs to (ISO 6523 code, `VAT`, `SEPA` ...; empty where not stated)."""

    value: str
    scheme: str = ""


class Address(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A postal address as stated; `country` is ISO 3166-1 alpha-2."""

    lines: tuple[str, ...] = ()
    city: str = ""
    postal_code: str = ""
    subdivision: str = ""
    country: str = ""


class Contact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    name: str = ""
    phone: str = ""
    email: str = ""
    department: str = ""


class BankAccount(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where money may go, as stated on a document. It never changes the master (supplier.bank_mismatch)."""

    account: str  # IBAN, or the local account number
    holder: str = ""
    institution: str = ""  # BIC, or the local bank code


class Party(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A party as a document names it. Its identity comes from the channel and the master, never from here alone."""

    name: str = ""
    trading_name: str = ""
    ids: tuple[Identifier, ...] = ()
    registration: Identifier | None = None  # legal register
    tax_id: str = ""  # VAT number with its country prefix
    tax_registration: str = ""  # local tax number
    endpoint: Identifier | None = None  # electronic address
    legal_form: str = ""
    address: Address | None = None
    contact: Contact | None = None
