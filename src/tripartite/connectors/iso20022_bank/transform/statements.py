"""camt.053 and camt.054, .02 and .08 -> bank statement. One statement of one account for each reading.

A file may hold several statements: `parts` cuts it so that each part holds one; a reader that meets several refuses
them, since it answers with one. A statement of several pages keeps its id on each; from the second page on the number
says which one it is (`STMT-1/2`), so that a page is not taken for a copy of the first.

Balances are signed: credit positive. The opening one is OPBD, or PRCD where a bank sends only that; the closing one is
CLBD. Nothing is computed: whether opening plus entries is closing, others check.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from lxml import etree
from lxml.etree import _Element as Element

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.transform.entries import Keys, read_entry
from tripartite.connectors.iso20022_bank.transform.reading import Message, local
from tripartite.connectors.iso20022_bank.transform.settings import Settings
from tripartite.core.money import Amount, CurrencyInvalid, Money, check_currency
from tripartite.core.objects import BankEntry, BankStatement
from tripartite.runtime.protocol import Raw, ReadResult
from tripartite.runtime.xml import XmlRefused, named, pointer_of, read_xml

MOST_ENTRIES = 100_000
MOST_PARTS = 5_000
LARGEST_BESIDE = 50_000_000  # bytes of headers, once for each part
_ROOTS = {"camt.053": ("BkToCstmrStmt", "Stmt"), "camt.054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}
_LEVELS = frozenset({"Stmt", "Ntfctn"})
_COPIES = frozenset({"DUPL", "CODU"})  # COPY is the one original of a party that is sent copies only


def read_bank_statement(raw: Raw, settings: Settings) -> ReadResult:
    """The statement or notification that the message holds. Errors: `XmlRefused`."""
    message = Message(raw.content, wire.STATEMENT_MESSAGES + wire.NOTIFICATION_MESSAGES, settings.zone)
    root, level = _ROOTS[message.name[:8]]
    message.check_root(root)
    found = message.many(message.root, level)
    if len(found) != 1:
        detail = f"{len(found)} statements in one message, and one is read at a time"
        raise XmlRefused("intake.ambiguous", pointer_of(message.root), detail)
    statement = found[0]
    header = message.need(message.root, "GrpHdr")
    account = _account(message, statement)
    entries = message.many(statement, "Ntry")
    if len(entries) > MOST_ENTRIES:
        raise XmlRefused("intake.too_large", pointer_of(statement), f"more than {MOST_ENTRIES} entries")
    balances = _balances(message, statement)
    currency = _currency(message, statement, balances, entries)
    keys = Keys(account, settings.entry_reference_unique)
    read: list[BankEntry] = [read_entry(message, entry, currency, keys) for entry in entries]
    created = message.one(statement, "CreDtTm")
    value = BankStatement(
        number=_number(message, statement),
        account=account,
        currency=currency,
        kind="statement" if level == "Stmt" else "notification",
        created_at=message.moment(created if created is not None else message.need(header, "CreDtTm")),
        sequence=message.text(statement, "ElctrncSeqNb") or message.text(statement, "LglSeqNb"),
        opening=_signed(balances, "OPBD", "PRCD"),
        closing=_signed(balances, "CLBD"),
        copy=message.text(statement, "CpyDplctInd") in _COPIES,
        entries=tuple(read),
    )
    return ReadResult("bank_statement", value, message.dropped(), message.name)


def parts(content: bytes) -> tuple[bytes, ...]:
    """The file as it is where it holds one statement, or none, or cannot be read; else one document for each.

    What stands beside the statements is repeated in each part. The same file gives the same parts, byte for byte.
    """
    try:
        document = read_xml(content)
    except XmlRefused:
        return (content,)
    found = [child for root in document for child in root if named(child) and local(child) in _LEVELS]
    if not 1 < len(found) <= MOST_PARTS or len(document) != 1:
        return (content,)
    beside = [child for child in document[0] if named(child) and local(child) not in _LEVELS]
    if len(found) * sum(len(etree.tostring(child)) for child in beside) > LARGEST_BESIDE:
        return (content,)  # the reader refuses it as it is: what is repeated must stay small
    made: list[bytes] = []
    for level in found:
        part = etree.Element(str(document.tag), nsmap=document.nsmap)  # type: ignore[arg-type]
        root = etree.SubElement(part, str(document[0].tag))
        root.extend(deepcopy(child) for child in [*beside, level])
        made.append(etree.tostring(part, xml_declaration=True, encoding="UTF-8"))
    return tuple(made)


def _number(message: Message, statement: Element) -> str:
    number = message.needed_text(statement, "Id")
    pages = message.one(statement, "StmtPgntn")
    if pages is None:
        pages = message.one(statement, "NtfctnPgntn")
    if pages is None:
        pages = message.one(message.root, "GrpHdr/MsgPgntn")
    page = message.count(pages, "PgNb") or 1
    return number if page == 1 else f"{number}/{page}"


def _account(message: Message, statement: Element) -> str:
    """The account's number without blanks, so that one account has one name whichever element the bank puts it in."""
    place = message.need(statement, "Acct/Id")
    stated = message.text(place, "IBAN") or message.text(place, "Othr/Id")
    if not stated:
        raise XmlRefused("integration.schema_violated", pointer_of(place), "an account without its number")
    return "".join(stated.split()).upper()


Balances = Mapping[str, tuple[Element, Money, bool]]


def _balances(message: Message, statement: Element) -> Balances:
    """The booked balances at the ends by their code. Errors: `intake.ambiguous` where one stands twice.

    A balance of a sub-type is a part of another one (funds of one day, ...) and is left to `dropped`.
    """
    found: dict[str, tuple[Element, Money, bool]] = {}
    for balance in message.many(statement, "Bal"):
        kind = message.one(balance, "Tp/CdOrPrtry/Cd")
        code = (kind.text or "").strip() if kind is not None else ""
        if code not in ("OPBD", "PRCD", "CLBD") or message.one(balance, "Tp/SubTp") is not None:
            continue
        if code in found:
            raise XmlRefused("intake.ambiguous", pointer_of(balance), f"a second balance {code}")
        message.said(kind)
        found[code] = (balance, message.money(message.need(balance, "Amt")), message.credit(balance))
    return found


def _signed(balances: Balances, *codes: str) -> Amount | None:
    for code in codes:
        if code in balances:
            _, money, credit = balances[code]
            return Amount(money.decimal() if credit or not money.minor else -money.decimal())
    return None


def _currency(message: Message, statement: Element, balances: Balances, entries: list[Element]) -> str:
    """The account's currency: as stated, else that of its balances, else of its entries.

    Errors: `intake.ambiguous` where an amount of the account is in another, `intake.value_out_of_range` where none is.
    """
    stated = message.one(statement, "Acct/Ccy")
    currency = message.said(stated)
    amounts = [message.need(balance, "Amt") for balance, _, _ in balances.values()]
    amounts += [message.need(entry, "Amt") for entry in entries]
    if not currency and amounts:
        currency = amounts[0].get("Ccy", "")
    try:
        check_currency(currency)
    except CurrencyInvalid as error:
        place = stated if stated is not None else amounts[0] if amounts else statement
        raise XmlRefused("intake.value_out_of_range", pointer_of(place), str(error)) from None
    for amount in amounts:
        if amount.get("Ccy", "") != currency:
            detail = f"in {amount.get('Ccy', '')[:8]}, the account is in {currency}"
            raise XmlRefused("intake.ambiguous", f"{pointer_of(amount)}/@Ccy", detail)
    return currency
