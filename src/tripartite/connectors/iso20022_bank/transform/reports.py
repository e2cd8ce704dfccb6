"""pain.002.001.03 and .12 -> payment report.

Three levels speak: the group, its blocks, their transfers. An order of ours is one block (orders.py), so the word of a
single block is the order's too, and the more exact one: it stands for the order unless the group is rejected.

    group or block RJCT      rejects every transfer in it, named or not
    PART                     the order is `partly`; each transfer by its own word, one without a word is pending
    any other word           a named transfer without a word of its own inherits it
    a word we do not know    pending, the word kept
    RJCT as a duplicate      pending, the reason kept (words.py)
    RJCT over a duplicate    the order is `partly`: what the bank has already must not be set free with the rest
    RJCT over a transfer     refused as ambiguous: the bank contradicts itself, and both readings cost money
      that was executed
"""

from __future__ import annotations

from typing import Literal

import msgspec
from lxml.etree import _Element as Element

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.transform.reading import Message
from tripartite.connectors.iso20022_bank.transform.settings import Settings
from tripartite.connectors.iso20022_bank.transform.words import REPORTED, reported
from tripartite.core.objects import PaymentReport, TransferReport
from tripartite.core.objects.payment import ReportedStatus
from tripartite.runtime.protocol import Raw, ReadResult
from tripartite.runtime.xml import XmlRefused, pointer_of

DETAIL = 1_000  # characters kept of what the bank adds in free text
_DONE = frozenset({"executed", "credited"})


class Spoken(msgspec.Struct, frozen=True):
    """What one level says: its word, the first reason, all reasons and free texts as one sentence."""

    word: str = ""
    reasons: tuple[str, ...] = ()
    detail: str = ""

    @property
    def status(self) -> ReportedStatus:
        return reported(self.word, self.reasons)

    @property
    def reason(self) -> str:
        return self.reasons[0] if self.reasons else ""


def read_payment_report(raw: Raw, settings: Settings) -> ReadResult:
    """The report on one order. `transfers` are those that the bank names. Errors: `XmlRefused`."""
    message = Message(raw.content, wire.REPORT_MESSAGES, settings.zone)
    message.check_root("CstmrPmtStsRpt")
    header = message.need(message.root, "GrpHdr")
    original = message.need(message.root, "OrgnlGrpInfAndSts")
    group = _spoken(message, original, "GrpSts")
    blocks = message.many(message.root, "OrgnlPmtInfAndSts")
    order = group
    transfers: list[TransferReport] = []
    for block in blocks:
        own = _spoken(message, block, "PmtInfSts")
        above = group if not own.word or group.status == "rejected" else own
        if len(blocks) == 1:
            order = above
        transfers += (_transfer(message, entry, above) for entry in message.many(block, "TxInfAndSts"))
    status: ReportedStatus | Literal[""] = order.status if order.word else ""
    if status == "rejected" and any(each.status == "pending" for each in transfers):
        # One of them was refused as a duplicate: it may have been paid before, so not all are set free by one word.
        status = "partly"
    report = PaymentReport(
        number=message.needed_text(header, "MsgId"),
        order_number=message.needed_text(original, "OrgnlMsgId"),
        reported_at=message.moment(message.need(header, "CreDtTm")),
        status=status,
        word=order.word,
        reason=order.reason,
        detail=order.detail,
        transfers=tuple(transfers),
    )
    return ReadResult("payment_report", report, message.dropped(), message.name)


def _transfer(message: Message, entry: Element, above: Spoken) -> TransferReport:
    number = message.text(entry, "OrgnlEndToEndId")
    if number in ("", wire.NOT_PROVIDED):
        number = message.text(entry, "OrgnlInstrId")  # we write the same number in both places
    if not number:
        raise XmlRefused("integration.schema_violated", pointer_of(entry), "a status of a transfer without its id")
    own = _spoken(message, entry, "TxSts")
    if above.status == "rejected":
        if own.word and REPORTED.get(own.word) in _DONE:
            detail = f"the transfer is {own.word} inside what was rejected"
            raise XmlRefused("intake.ambiguous", pointer_of(entry), detail)
        spoken = Spoken("RJCT", own.reasons or above.reasons, own.detail or above.detail)
    elif own.word or above.status == "partly":
        spoken = own
    else:
        spoken = Spoken(above.word, own.reasons or above.reasons, own.detail or above.detail)
    status = spoken.status
    return TransferReport(
        number=number,
        status="pending" if status == "partly" else status,
        word=spoken.word,
        reason=spoken.reason,
        detail=spoken.detail,
        bank_reference=message.text(entry, "AcctSvcrRef") or message.text(entry, "ClrSysRef"),
    )


def _spoken(message: Message, level: Element, name: str) -> Spoken:
    reasons: list[str] = []
    said: list[str] = []
    for given in message.many(level, "StsRsnInf"):
        code = message.code(given, "Rsn")
        if code:
            reasons.append(code)
        said += message.texts(given, "AddtlInf", 105)
    detail = " ".join([*(["also " + ", ".join(reasons[1:])] if reasons[1:] else []), *said])
    return Spoken(message.text(level, name), tuple(reasons), detail[:DETAIL])
