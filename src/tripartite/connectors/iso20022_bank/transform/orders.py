"""A payment order into pain.001.001.09: one file, one block, one debit account, one day, one currency.

The same order under the same settings gives the same bytes: the time is the order's own, the UETR is computed, and
nothing is drawn. What the message or the scheme has no place for is refused with its place, never cut. The order is
checked against itself once more (sums, currencies, accounts), because this is the last reading before money moves.

A transfer in EUR between two IBANs that SEPA reaches is a SEPA transfer (service level SEPA, charges SLEV); every
other has the service level and the charge bearer of the settings. Where an order holds both kinds, each transfer says
its own; else the block says it for all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC
from decimal import Decimal

from lxml import etree
from lxml.etree import _Element as Element

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.transform.accounts import Account, account_of
from tripartite.connectors.iso20022_bank.transform.remittance import Remittance, remittance_of
from tripartite.connectors.iso20022_bank.transform.settings import Settings
from tripartite.connectors.iso20022_bank.transform.texts import identifier, latin
from tripartite.core.codec import decode
from tripartite.core.money import CurrencyInvalid, Money, NumberInvalid, check_currency
from tripartite.core.objects import Address, Payment, PaymentOrder
from tripartite.runtime.protocol import Unwritable

MOST_TRANSFERS = 100_000  # of one file; banks differ, and none takes more
SEPA_NAME = 70  # characters of a name in the SEPA schemes; beyond them 140
_NAMESPACE = wire.NAMESPACE + wire.ORDER_MESSAGE


def write_payment_order(payload: bytes, settings: Settings) -> bytes:
    """The file of an order. Amounts: in the order's currency, positive, with exactly its decimals, never rounded.

    Errors: `core.codec.Malformed` (no payment order), `Unwritable` (code, place in the order, sentence).
    Rule: pain.001.001.09 of ISO 20022; SEPA as in docs/connectors/iso20022_bank.md.
    """
    order = decode(payload, PaymentOrder)
    total = _checked(order)
    debtor = account_of(order.account, "/account", settings.clearing_system)
    creditors = [
        account_of(payment.account, f"/payments/{place}/account", settings.clearing_system)
        for place, payment in enumerate(order.payments)
        if payment.account is not None
    ]
    sepa = [order.currency == "EUR" and debtor.sepa and creditor.sepa for creditor in creditors]
    document = etree.Element(f"{{{_NAMESPACE}}}Document", nsmap={None: _NAMESPACE})  # type: ignore[dict-item]
    root = _add(document, "CstmrCdtTrfInitn")
    name = latin(order.company_name, "/company_name", SEPA_NAME if any(sepa) else 140)
    header = _add(root, "GrpHdr")
    _add(header, "MsgId", identifier(order.number, "/number"))
    _add(header, "CreDtTm", order.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _add(header, "NbOfTxs", str(len(order.payments)))
    _add(header, "CtrlSum", _figure(total))
    initiator = _add(header, "InitgPty")
    _add(initiator, "Nm", name)
    if settings.initiator_id:
        _add(_add(_add(_add(initiator, "Id"), "OrgId"), "Othr"), "Id", settings.initiator_id)

    block = _add(root, "PmtInf")
    _add(block, "PmtInfId", order.number)
    _add(block, "PmtMtd", "TRF")
    _add(block, "BtchBookg", "true" if settings.batch_booking else "false")
    _add(block, "NbOfTxs", str(len(order.payments)))
    _add(block, "CtrlSum", _figure(total))
    alike = len(set(sepa)) == 1
    if alike:
        _add_type(block, sepa[0], settings)
    _add(_add(block, "ReqdExctnDt"), "Dt", order.execute_on.isoformat())
    party = _add(block, "Dbtr")
    _add(party, "Nm", name)
    _add_address(party, order.address, "/address", needed=not all(sepa), strict=settings.address_required)
    _add_account(_add(block, "DbtrAcct"), debtor)
    _add_agent(_add(block, "DbtrAgt"), debtor, "/account", needed=not all(sepa))
    if alike:
        _add(block, "ChrgBr", "SLEV" if sepa[0] else settings.charge_bearer)
    for place, (payment, creditor) in enumerate(zip(order.payments, creditors, strict=True)):
        here = f"/payments/{place}"
        _add_transfer(block, order, payment, creditor, here, sepa=sepa[place], alike=alike, settings=settings)
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8")


def uetr(order_number: str, payment_number: str) -> str:
    """The transfer's UUID, in the form of version 4, computed from both numbers: a repeat has the same one."""
    hashed = bytearray(hashlib.sha256(f"uetr\x1f{order_number}\x1f{payment_number}".encode()).digest()[:16])
    hashed[6] = hashed[6] & 0x0F | 0x40
    hashed[8] = hashed[8] & 0x3F | 0x80
    text = hashed.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


# The order against itself.


def _checked(order: PaymentOrder) -> Money:
    """The control sum. Errors: `Unwritable` where the order contradicts itself or cannot be a file at all."""
    try:
        check_currency(order.currency)
    except CurrencyInvalid as error:
        raise Unwritable(error.reason_code, "/currency", str(error)) from None
    if not 0 < len(order.payments) <= MOST_TRANSFERS:
        raise Unwritable("posting.unwritable", "/payments", f"1 to {MOST_TRANSFERS} transfers make a file")
    if order.created_at.tzinfo is None:
        raise Unwritable("posting.unwritable", "/created_at", "a time without its offset")
    total = Money(0, order.currency)
    for place, payment in enumerate(order.payments):
        total = total + _checked_payment(order, payment, f"/payments/{place}")
    if _money(order.amount, order.currency, "/amount") != total:
        raise Unwritable("posting.unwritable", "/amount", f"the order says {order.amount}, its transfers {total}")
    twice = [number for number, times in Counter(payment.number for payment in order.payments).items() if times > 1]
    if twice:
        raise Unwritable("posting.unwritable", "/payments", f"{twice[0]} stands twice in one order")
    if len(_figure(total).replace(".", "")) > 18:
        raise Unwritable("posting.unwritable", "/amount", "more digits than a control sum has")
    return total


def _checked_payment(order: PaymentOrder, payment: Payment, here: str) -> Money:
    if (payment.currency, payment.company_code) != (order.currency, order.company_code):
        raise Unwritable("posting.unwritable", here, "another currency or company than the order's")
    if payment.account is None:
        raise Unwritable("posting.unwritable", f"{here}/account", "a transfer needs an account")
    amount = _money(payment.amount, payment.currency, f"{here}/amount")
    if amount.minor <= 0:
        raise Unwritable("posting.unwritable", f"{here}/amount", "a transfer moves more than nothing")
    if payment.items:
        items = Money(0, payment.currency)
        for number, item in enumerate(payment.items):
            items = items + _money(item.amount, payment.currency, f"{here}/items/{number}/amount")
        if items != amount:
            raise Unwritable("posting.unwritable", f"{here}/amount", f"the transfer says {amount}, its items {items}")
    return amount


def _money(amount: Decimal, currency: str, pointer: str) -> Money:
    try:
        return Money.of(amount, currency)
    except NumberInvalid as error:
        raise Unwritable(error.reason_code, pointer, str(error)) from None


def _figure(money: Money) -> str:
    """Major units with exactly the currency's decimals: 100 JPY, 100.00 EUR, 100.000 KWD."""
    return format(money.decimal(), "f")


# Parts of the message. The order of the elements is the schema's.


def _add(parent: Element, name: str, text: str | None = None) -> Element:
    element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{name}")
    element.text = text
    return element


def _add_amount(parent: Element, name: str, money: Money) -> None:
    _add(parent, name, _figure(money)).set("Ccy", money.currency)


def _add_type(parent: Element, sepa: bool, settings: Settings) -> None:
    kind = _add(parent, "PmtTpInf")
    _add(_add(kind, "SvcLvl"), "Cd", "SEPA" if sepa else settings.service_level)
    if settings.category_purpose:
        _add(_add(kind, "CtgyPurp"), "Cd", settings.category_purpose)


def _add_account(parent: Element, account: Account) -> None:
    named = _add(parent, "Id")
    if account.iban:
        _add(named, "IBAN", account.iban)
    else:
        _add(_add(named, "Othr"), "Id", account.other)


def _add_agent(parent: Element, account: Account, pointer: str, *, needed: bool) -> None:
    """The bank. The schema wants one for the debtor; SEPA reaches it by the IBAN alone, and says NOTPROVIDED then."""
    bank = _add(parent, "FinInstnId")
    if account.bic:
        _add(bank, "BICFI", account.bic)
    elif account.member:
        member = _add(bank, "ClrSysMmbId")
        _add(_add(member, "ClrSysId"), "Cd", account.clearing_system)
        _add(member, "MmbId", account.member)
    elif needed:
        raise Unwritable("posting.unwritable", f"{pointer}/institution", "beyond SEPA the bank must be named")
    else:
        _add(_add(bank, "Othr"), "Id", wire.NOT_PROVIDED)


def _add_address(parent: Element, address: Address | None, pointer: str, *, needed: bool, strict: bool) -> None:
    """Town and country always by themselves; the first line is the street, further ones stay lines (two at most).

    An address that is there has both, unless the settings leave that to the bank: networks refuse others from the end
    of 2026 on.
    """
    if address is None or address == Address():
        if needed and strict:
            raise Unwritable("posting.unwritable", pointer, "beyond SEPA an address with town and country is needed")
        return
    country = address.country.strip().upper()
    if not (len(country) == 2 and country.isascii() and country.isalpha()) and (country or strict):
        raise Unwritable("posting.unwritable", f"{pointer}/country", "an address needs its country, two letters")
    postal = _add(parent, "PstlAdr")
    lines = [line for line in address.lines if line.strip()]
    if len(lines) > 3:
        raise Unwritable("posting.unwritable", f"{pointer}/lines", "a street and two more lines are taken")
    if lines:
        _add(postal, "StrtNm", latin(lines[0], f"{pointer}/lines/0", 70))
    if address.postal_code.strip():
        _add(postal, "PstCd", latin(address.postal_code, f"{pointer}/postal_code", 16))
    if address.city.strip() or strict:
        _add(postal, "TwnNm", latin(address.city, f"{pointer}/city", 35))
    if address.subdivision.strip():
        _add(postal, "CtrySubDvsn", latin(address.subdivision, f"{pointer}/subdivision", 35))
    if country:
        _add(postal, "Ctry", country)
    for number, line in enumerate(lines[1:], 1):
        _add(postal, "AdrLine", latin(line, f"{pointer}/lines/{number}", 70))


def _add_transfer(
    block: Element,
    order: PaymentOrder,
    payment: Payment,
    creditor: Account,
    here: str,
    *,
    sepa: bool,
    alike: bool,
    settings: Settings,
) -> None:
    transfer = _add(block, "CdtTrfTxInf")
    ids = _add(transfer, "PmtId")
    number = identifier(payment.number, f"{here}/number")
    _add(ids, "InstrId", number)
    _add(ids, "EndToEndId", number)
    _add(ids, "UETR", uetr(order.number, payment.number))
    if not alike:
        _add_type(transfer, sepa, settings)
    _add_amount(_add(transfer, "Amt"), "InstdAmt", _money(payment.amount, payment.currency, f"{here}/amount"))
    if not alike:
        _add(transfer, "ChrgBr", "SLEV" if sepa else settings.charge_bearer)
    if creditor.agent or not sepa:
        _add_agent(_add(transfer, "CdtrAgt"), creditor, f"{here}/account", needed=not sepa)
    assert payment.account is not None, "checked above"
    party = _add(transfer, "Cdtr")
    holder = payment.account.holder or payment.supplier_name
    _add(party, "Nm", latin(holder, f"{here}/account/holder", SEPA_NAME if sepa else 140))
    _add_address(party, payment.address, f"{here}/address", needed=not sepa, strict=settings.address_required)
    _add_account(_add(transfer, "CdtrAcct"), creditor)
    remittance = remittance_of(payment, here, sepa=sepa, structured=settings.sepa_structured)
    if remittance != Remittance():
        _add_remittance(_add(transfer, "RmtInf"), remittance)


def _add_remittance(parent: Element, remittance: Remittance) -> None:
    if remittance.text:
        _add(parent, "Ustrd", remittance.text)
    for document in remittance.documents:
        entry = _add(parent, "Strd")
        named = _add(entry, "RfrdDocInf")
        _add(_add(_add(named, "Tp"), "CdOrPrtry"), "Cd", "CREN" if document.credit else "CINV")
        if document.number:
            _add(named, "Nb", document.number)
        if document.issued_on is not None:
            _add(named, "RltdDt", document.issued_on.isoformat())
        amounts = _add(entry, "RfrdDocAmt")
        if document.discount is not None:
            _add_amount(amounts, "DuePyblAmt", document.amount + document.discount)
            _add_amount(_add(amounts, "DscntApldAmt"), "Amt", document.discount)
        _add_amount(amounts, "CdtNoteAmt" if document.credit else "RmtdAmt", document.amount)
        if document.long_number:
            _add(entry, "AddtlRmtInf", document.long_number)
