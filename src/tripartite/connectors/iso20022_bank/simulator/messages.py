"""The bank writes: pain.002, camt.054 and camt.053, in the old or the new version. Texts in, bytes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from lxml import etree
from lxml.etree import _Element as Element

from tripartite.connectors.iso20022_bank.simulator.ledger import Account, Entry
from tripartite.connectors.iso20022_bank.simulator.orders import Order, Transfer

SPACE = "urn:iso:std:iso:20022:tech:xsd:"
REPORT = {"new": "pain.002.001.12", "old": "pain.002.001.03"}
NOTICE = {"new": "camt.054.001.08", "old": "camt.054.001.02"}
STATEMENT = {"new": "camt.053.001.08", "old": "camt.053.001.02"}


class Writer:
    """A message under construction. `put` takes a path and adds its last element; the steps before are shared."""

    def __init__(self, name: str, root: str) -> None:
        self.space = f"{{{SPACE}{name}}}"
        self.document = etree.Element(self.space + "Document", nsmap={None: SPACE + name})  # type: ignore[dict-item]
        self.root = etree.SubElement(self.document, self.space + root)

    def put(self, parent: Element, path: str, text: str | None = None) -> Element:
        *steps, last = path.split("/")
        for step in steps:
            children = [child for child in parent if child.tag == self.space + step]
            parent = children[-1] if children else etree.SubElement(parent, self.space + step)
        element = etree.SubElement(parent, self.space + last)
        element.text = text
        return element

    def money(self, parent: Element, path: str, amount: Decimal, currency: str) -> None:
        self.put(parent, path, format(amount, "f")).set("Ccy", currency)

    def account(self, parent: Element, path: str, number: str) -> None:
        like_iban = len(number) >= 15 and number[:2].isalpha() and number[2:4].isdigit()
        self.put(parent, f"{path}/Id/IBAN" if like_iban else f"{path}/Id/Othr/Id", number)

    def bytes(self) -> bytes:
        return etree.tostring(self.document, xml_declaration=True, encoding="UTF-8")


def report(
    version: str,
    message_id: str,
    at: str,
    order: Order,
    *,
    group: str = "",
    block: str = "",
    reason: str = "",
    transfers: Sequence[Transfer] = (),
) -> bytes:
    """A status report: of the file, of its block, of the transfers named; each only where it has something to say."""
    writer = Writer(REPORT[version], "CstmrPmtStsRpt")
    root = writer.root
    header = writer.put(root, "GrpHdr")
    writer.put(header, "MsgId", message_id)
    writer.put(header, "CreDtTm", at)
    original = writer.put(root, "OrgnlGrpInfAndSts")
    writer.put(original, "OrgnlMsgId", order.message_id)
    writer.put(original, "OrgnlMsgNmId", "pain.001.001.09")
    writer.put(original, "OrgnlNbOfTxs", str(len(order.transfers)))
    if group:
        writer.put(original, "GrpSts", group)
    if reason and group == "RJCT":
        writer.put(original, "StsRsnInf/Rsn/Cd", reason)
    if not block and not transfers:
        return writer.bytes()
    inner = writer.put(root, "OrgnlPmtInfAndSts")
    writer.put(inner, "OrgnlPmtInfId", order.block_id)
    if block:
        writer.put(inner, "PmtInfSts", block)
    if reason and block == "RJCT":
        writer.put(inner, "StsRsnInf/Rsn/Cd", reason)
    for each in transfers:
        entry = writer.put(inner, "TxInfAndSts")
        writer.put(entry, "OrgnlInstrId", each.instruction_id)
        writer.put(entry, "OrgnlEndToEndId", each.end_to_end_id)
        if version == "new" and each.uetr:
            writer.put(entry, "OrgnlUETR", each.uetr)
        writer.put(entry, "TxSts", each.status)
        if each.reason:
            stated = writer.put(entry, "StsRsnInf")
            writer.put(stated, "Rsn/Cd", each.reason)
            if each.reason == "DT06":
                writer.put(stated, "AddtlInf", f"will be executed on {each.execute_on.isoformat()}")
        if each.reference:
            writer.put(entry, "AcctSvcrRef", each.reference)
    return writer.bytes()


def notice(version: str, message_id: str, at: str, account: Account, entries: Sequence[Entry]) -> bytes:
    """A notification of entries, with every transfer inside them."""
    writer = Writer(NOTICE[version], "BkToCstmrDbtCdtNtfctn")
    level = _head(writer, message_id, at, account, "Ntfctn", number=message_id)
    for entry in entries:
        _entry(writer, level, entry, version, detailed=True)
    return writer.bytes()


def statement(
    version: str, message_id: str, at: str, account: Account, entries: Sequence[Entry], day: date, *, copy: bool = False
) -> bytes:
    """A day's statement. A batch is told as one entry without the transfers inside: those stood in the notification."""
    writer = Writer(STATEMENT[version], "BkToCstmrStmt")
    number = f"{account.number[-8:]}-{day.isoformat()}-{account.statements}"
    level = _head(writer, message_id, at, account, "Stmt", number=number, sequence=account.statements, copy=copy)
    for code, amount in (("OPBD", account.opening), ("CLBD", account.balance)):
        balance = writer.put(level, "Bal")
        writer.put(balance, "Tp/CdOrPrtry/Cd", code)
        writer.money(balance, "Amt", abs(amount), account.currency)
        writer.put(balance, "CdtDbtInd", "CRDT" if amount >= 0 else "DBIT")
        writer.put(balance, "Dt/Dt", day.isoformat())
    for entry in entries:
        _entry(writer, level, entry, version, detailed=not entry.batch)
    return writer.bytes()


def _head(
    writer: Writer,
    message_id: str,
    at: str,
    account: Account,
    name: str,
    *,
    number: str,
    sequence: int = 0,
    copy: bool = False,
) -> Element:
    header = writer.put(writer.root, "GrpHdr")
    writer.put(header, "MsgId", message_id)
    writer.put(header, "CreDtTm", at)
    level = writer.put(writer.root, name)
    writer.put(level, "Id", number)
    if sequence:
        writer.put(level, "ElctrncSeqNb", str(sequence))
    writer.put(level, "CreDtTm", at)
    if copy:
        writer.put(level, "CpyDplctInd", "DUPL")
    writer.account(level, "Acct", account.number)
    writer.put(level, "Acct/Ccy", account.currency)
    return level


def _entry(writer: Writer, level: Element, entry: Entry, version: str, *, detailed: bool) -> None:
    made = writer.put(level, "Ntry")
    writer.money(made, "Amt", entry.amount, entry.currency)
    writer.put(made, "CdtDbtInd", "CRDT" if entry.credit else "DBIT")
    writer.put(made, "Sts" if version == "old" else "Sts/Cd", "BOOK")
    writer.put(made, "BookgDt/Dt", entry.booked_on.isoformat())
    writer.put(made, "ValDt/Dt", entry.booked_on.isoformat())
    if entry.reference:
        writer.put(made, "AcctSvcrRef", entry.reference)
    family, kind = ("RCDT", "RRTN") if entry.credit else ("ICDT", "ESCT" if entry.transfers[0].sepa else "XBCT")
    code = writer.put(made, "BkTxCd/Domn")
    writer.put(code, "Cd", "PMNT")
    writer.put(code, "Fmly/Cd", family)
    writer.put(code, "Fmly/SubFmlyCd", kind)
    details = writer.put(made, "NtryDtls")
    if entry.batch:
        batch = writer.put(details, "Btch")
        writer.put(batch, "MsgId", entry.message_id)
        writer.put(batch, "PmtInfId", entry.block_id)
        writer.put(batch, "NbOfTxs", str(len(entry.transfers)))
    for each in entry.transfers if detailed else ():
        _transfer(writer, details, entry, each, version)


def _transfer(writer: Writer, details: Element, entry: Entry, each: Transfer, version: str) -> None:
    made = writer.put(details, "TxDtls")
    references = writer.put(made, "Refs")
    writer.put(references, "PmtInfId", entry.block_id)
    writer.put(references, "InstrId", each.instruction_id)
    writer.put(references, "EndToEndId", each.end_to_end_id)
    if version == "new":
        if each.uetr:
            writer.put(references, "UETR", each.uetr)
        writer.money(made, "Amt", each.amount, each.currency)
        writer.put(made, "CdtDbtInd", "CRDT" if entry.credit else "DBIT")
    else:
        writer.money(made, "AmtDtls/TxAmt/Amt", each.amount, each.currency)
    parties = writer.put(made, "RltdPties")
    writer.put(parties, "Cdtr/Pty/Nm" if version == "new" else "Cdtr/Nm", each.creditor_name)
    writer.account(parties, "CdtrAcct", each.creditor_account)
    for line in each.remittance:
        writer.put(made, "RmtInf/Ustrd", line[:140])
    if entry.reason:
        writer.put(made, "RtrInf/Rsn/Cd", entry.reason)
