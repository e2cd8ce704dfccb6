"""The bank reads a pain.001: what it needs of the file, and what it objects to. Not for deciding what is booked."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec
from lxml.etree import _Element as Element

from tripartite.runtime.xml import XmlRefused, read_xml

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_N = {"p": NAMESPACE}
_FIGURE = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,5})?\Z")
_LATIN = re.compile(r"[a-zA-Z0-9/\-?:().,'+ ]{1,35}\Z")
_UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}\Z")
# Decimals of currencies that have not two.
_DECIMALS = {**dict.fromkeys(["JPY", "KRW", "ISK", "CLP", "VND"], 0), **dict.fromkeys(["KWD", "BHD", "TND"], 3)}


class Objection(Exception):
    """What the bank will not do, and its ISO reason code."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class Transfer(msgspec.Struct):
    """One transfer and where it stands. `amount` is positive, in `currency`."""

    end_to_end_id: str
    instruction_id: str
    uetr: str
    amount: Decimal
    currency: str
    creditor_account: str
    creditor_name: str
    creditor_agent: str
    remittance: tuple[str, ...]
    sepa: bool
    execute_on: date
    status: str = "RCVD"
    reason: str = ""
    reference: str = ""
    booked_on: date | None = None


class Order(msgspec.Struct):
    """One file in the bank's hands."""

    message_id: str
    block_id: str
    digest: str
    file_id: str
    debtor_account: str
    debtor_name: str
    batch: bool
    stated_count: str
    stated_sum: str
    block_count: str
    block_sum: str
    transfers: list[Transfer]
    status: str = "RCVD"
    reason: str = ""
    detail: str = ""
    copies: int = 1
    shown_from: float = 0.0

    @property
    def total(self) -> Decimal:
        return sum((each.amount for each in self.transfers), Decimal())


def read_order(content: bytes, digest: str, file_id: str) -> Order:
    """The order of a file. Errors: `Objection` FF01 (syntax), RR10 (characters)."""
    try:
        document = read_xml(content)
    except XmlRefused as error:
        raise Objection("FF01", error.detail) from None
    root = document.find("p:CstmrCdtTrfInitn", _N)
    if document.tag != f"{{{NAMESPACE}}}Document" or root is None:
        raise Objection("FF01", "not a pain.001.001.09")
    blocks = root.findall("p:PmtInf", _N)
    if len(blocks) != 1:
        raise Objection("FF01", "this bank takes one block a file")
    block = blocks[0]
    message_id = _text(root, "GrpHdr/MsgId")
    if not message_id or not _LATIN.match(message_id) or message_id[0] == "/" or "//" in message_id:
        raise Objection("RR10", "MsgId")
    execute_on = _day(_text(block, "ReqdExctnDt/Dt") or _text(block, "ReqdExctnDt/DtTm")[:10])
    level = _text(block, "PmtTpInf/SvcLvl/Cd")
    return Order(
        message_id=message_id,
        block_id=_text(block, "PmtInfId"),
        digest=digest,
        file_id=file_id,
        debtor_account=_account(block, "DbtrAcct"),
        debtor_name=_text(block, "Dbtr/Nm"),
        batch=_text(block, "BtchBookg") == "true",
        stated_count=_text(root, "GrpHdr/NbOfTxs"),
        stated_sum=_text(root, "GrpHdr/CtrlSum"),
        block_count=_text(block, "NbOfTxs"),
        block_sum=_text(block, "CtrlSum"),
        transfers=[_transfer(each, level, execute_on) for each in block.findall("p:CdtTrfTxInf", _N)],
    )


def check_totals(order: Order) -> None:
    """Errors: `Objection` AM18 (count), AM10 (control sum), AC02 (no debtor), FF01 (nothing to do)."""
    count = str(len(order.transfers))
    if not order.transfers:
        raise Objection("FF01", "no transfer")
    if order.stated_count != count or order.block_count not in ("", count):
        raise Objection("AM18", f"{count} transfers")
    for stated in (order.stated_sum, order.block_sum):
        if stated and (not _FIGURE.match(stated) or Decimal(stated) != order.total):
            raise Objection("AM10", f"the sum is {order.total}")
    if not order.debtor_account:
        raise Objection("AC02")


def check_transfer(transfer: Transfer) -> None:
    """What the bank sees of a transfer by itself. Errors: `Objection`."""
    if transfer.amount <= 0:
        raise Objection("AM01")
    digits = _DECIMALS.get(transfer.currency, 2)
    if -int(transfer.amount.as_tuple().exponent) > digits:
        raise Objection("AM09", "more decimals than the currency has")
    if not _LATIN.match(transfer.end_to_end_id) or (transfer.uetr and not _UETR.match(transfer.uetr)):
        raise Objection("RR10")
    if not transfer.creditor_account:
        raise Objection("AC01")
    if re.match(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,}\Z", transfer.creditor_account) and not _checks(
        transfer.creditor_account
    ):
        raise Objection("AC01")
    if not transfer.creditor_name:
        raise Objection("BE01")
    if transfer.sepa and len(transfer.remittance) > 1:
        raise Objection("RR07", "SEPA takes one remittance")
    if not transfer.sepa and not transfer.creditor_agent:
        raise Objection("RC01")


def _checks(iban: str) -> bool:
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _transfer(entry: Element, level: str, execute_on: date) -> Transfer:
    amount = entry.find("p:Amt/p:InstdAmt", _N)
    stated = (amount.text or "") if amount is not None else ""
    if amount is None or not _FIGURE.match(stated):
        raise Objection("FF01", "InstdAmt")
    try:
        figure = Decimal(stated)
    except InvalidOperation:
        raise Objection("FF01", "InstdAmt") from None
    remittance = [each.text or "" for each in entry.findall("p:RmtInf/p:Ustrd", _N)]
    remittance += [
        " ".join(leaf.text for leaf in document.iter() if leaf.text and not len(leaf))
        for document in entry.findall("p:RmtInf/p:Strd", _N)
    ]
    return Transfer(
        end_to_end_id=_text(entry, "PmtId/EndToEndId"),
        instruction_id=_text(entry, "PmtId/InstrId"),
        uetr=_text(entry, "PmtId/UETR"),
        amount=figure,
        currency=amount.get("Ccy", ""),
        creditor_account=_account(entry, "CdtrAcct"),
        creditor_name=_text(entry, "Cdtr/Nm"),
        creditor_agent=_text(entry, "CdtrAgt/FinInstnId/BICFI") or _text(entry, "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId"),
        remittance=tuple(remittance),
        sepa=(_text(entry, "PmtTpInf/SvcLvl/Cd") or level) == "SEPA",
        execute_on=execute_on,
    )


def _account(parent: Element, name: str) -> str:
    return _text(parent, f"{name}/Id/IBAN") or _text(parent, f"{name}/Id/Othr/Id")


def _text(parent: Element, path: str) -> str:
    found = parent.findtext("/".join(f"p:{step}" for step in path.split("/")), "", _N)
    return found.strip()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Objection("DT01", text[:20]) from None
