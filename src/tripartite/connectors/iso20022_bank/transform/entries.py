"""One entry of a statement or notification, and its key.

An entry is one movement of the account. Where the bank lists the transfers inside it, they are its details; an entry
of one transfer carries that transfer's number itself. A batch is booked as one entry: its details may stand in the
camt.054 only, so they take no part in its key.

**The key** is the same wherever the same movement is told. It is made of the account, the direction, the amount,
whether it is a reversal, and

    the bank's reference (AcctSvcrRef), of the entry or of its only transfer;
    without one, the day (booking, else value) and whether it is a return;
    of an entry of a single transfer, its end-to-end id too, since a bank may give one reference to a whole run
        (setting `entry_reference = "unique"`: it does not, and the reference alone will do);
    of a batch without a reference, its order;
    of the second and further entry of one statement that is equal in all this, its place among them.

When in doubt two keys differ: an entry that cannot be paired waits for a person, a movement that is taken for another
one is lost.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

from lxml.etree import _Element as Element

from tripartite.connectors.iso20022_bank import wire
from tripartite.connectors.iso20022_bank.transform.reading import Message
from tripartite.connectors.iso20022_bank.transform.words import BOOKED
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount, Money
from tripartite.core.objects import BankAccount
from tripartite.core.objects.payment import BankDetail, BankEntry
from tripartite.runtime.xml import XmlRefused, pointer_of

MOST_DETAILS = 100_000
UNSTATED = "unstated"  # a return whose reason the bank does not give


class Keys:
    """Gives the keys of one statement's entries."""

    def __init__(self, account: str, reference_unique: bool) -> None:
        self._account = account
        self._reference_unique = reference_unique
        self._times: Counter[tuple[str, ...]] = Counter()

    def of(
        self,
        *,
        amount: Money,
        credit: bool,
        reversal: bool,
        returned: bool,
        reference: str,
        day: date | None,
        payment: str,
        order: str,
    ) -> str:
        said = [self._account, "credit" if credit else "debit", str(amount), "reversal" if reversal else ""]
        if reference:
            said += ["reference", reference, "" if self._reference_unique else payment]
        else:
            said += ["day", day.isoformat() if day else "", "return" if returned else "", payment or order]
        self._times[tuple(said)] += 1
        times = self._times[tuple(said)]
        return stable_id("ent", *said, *([str(times)] if times > 1 else []))


def read_entry(message: Message, entry: Element, currency: str, keys: Keys) -> BankEntry:
    """One `Ntry`. Amount: positive, in the account's currency, the direction beside it. Errors: `XmlRefused`."""
    amount = message.money(message.need(entry, "Amt"))
    credit = message.credit(entry)
    reversal = message.flag(entry, "RvslInd")
    word = _status_word(message, entry)
    booked_on, valued_on = message.day(entry, "BookgDt"), message.day(entry, "ValDt")
    code, family = _code(message, entry)
    batches, listed = [], []
    for part in message.many(entry, "NtryDtls"):
        batches += message.many(part, "Btch")
        listed += message.many(part, "TxDtls")
    if len(listed) > MOST_DETAILS:
        raise XmlRefused("intake.too_large", pointer_of(entry), f"more than {MOST_DETAILS} transfers in one entry")
    order, count = _batch(message, batches)
    details = tuple(_detail(message, each, currency, credit=credit, turned=reversal) for each in listed)
    count = max(count, len(details), 1)
    single = details[0] if len(details) == 1 and count == 1 else None
    order = order or _common(tuple(detail.order_number for detail in details))
    returned = _common(tuple(detail.return_reason for detail in details))
    if credit and not returned and family == "RRTN":
        returned = UNSTATED
    reference = message.text(entry, "AcctSvcrRef") or (single.bank_reference if single else "")
    payment = single.payment_number if single else ""
    return BankEntry(
        key=keys.of(
            amount=amount,
            credit=credit,
            reversal=reversal,
            returned=bool(returned),
            reference=reference,
            day=booked_on or valued_on,
            payment=payment,
            order=order,
        ),
        amount=Amount(amount.decimal()),
        direction="credit" if credit else "debit",
        status=BOOKED.get(word, "pending"),
        booked_on=booked_on,
        valued_on=valued_on,
        payment_number=payment,
        order_number=order,
        count=count,
        bank_reference=reference,
        reversal=reversal,
        return_reason=returned,
        code=code,
        text=message.text(entry, "AddtlNtryInf", 500),
        details=details,
        word="" if word in ("BOOK", "PDNG", "INFO") else word,
    )


def _status_word(message: Message, entry: Element) -> str:
    """.02 says a plain code, .08 a choice of a code and a word of the bank's own; that own word is never `BOOK`."""
    place = message.need(entry, "Sts")
    if not len(place):
        word = message.said(place)
        if not word:
            raise XmlRefused("integration.schema_violated", pointer_of(place), "is empty")
        return word
    own = message.text(place, "Prtry")
    return f"Prtry {own}" if own else message.needed_text(place, "Cd")


def _code(message: Message, entry: Element) -> tuple[str, str]:
    """The code of the bank transaction, `PMNT/ICDT/ESCT`, else the bank's own; and the sub-family by itself."""
    place = message.one(entry, "BkTxCd")
    domain = message.one(place, "Domn")
    family = message.text(domain, "Fmly/SubFmlyCd")
    steps = (message.text(domain, "Cd"), message.text(domain, "Fmly/Cd"), family)
    return "/".join(step for step in steps if step) or message.text(place, "Prtry/Cd"), family


def _batch(message: Message, batches: list[Element]) -> tuple[str, int]:
    """The order and how many transfers a batch booking has. The block's id comes first: only we can have given it."""
    orders: list[str] = []
    count = 0
    for batch in batches:
        orders.append(message.text(batch, "PmtInfId") or message.text(batch, "MsgId"))
        count += message.count(batch, "NbOfTxs") or 0
    return _common(tuple(orders)), count


def _common(words: tuple[str, ...]) -> str:
    """The one word that all say; empty where they differ or say none."""
    return words[0] if words and len(set(words)) == 1 else ""


def _detail(message: Message, entry: Element, currency: str, *, credit: bool, turned: bool) -> BankDetail:
    references = message.one(entry, "Refs")
    number = message.text(references, "EndToEndId")
    if number in ("", wire.NOT_PROVIDED):
        number = message.text(references, "InstrId")
    money = message.optional_money(entry, "Amt") or message.optional_money(entry, "AmtDtls/TxAmt/Amt")
    instructed = message.optional_money(entry, "AmtDtls/InstdAmt/Amt")
    if money is not None and money.currency != currency:
        money, instructed = None, instructed or money
    returned = _return_reason(message, entry, credit)
    # A return and a reversal repeat the parties of what they undo: the other side is still the one that was paid.
    paid = credit == bool(turned or returned)
    return BankDetail(
        payment_number="" if number == wire.NOT_PROVIDED else number,
        order_number=message.text(references, "PmtInfId") or message.text(references, "MsgId"),
        amount=Amount(money.decimal()) if money is not None else None,
        instructed=Amount(instructed.decimal()) if instructed is not None else None,
        instructed_currency=instructed.currency if instructed is not None else "",
        party=_party(message, entry, "Cdtr" if paid else "Dbtr"),
        bank_reference=message.text(references, "AcctSvcrRef"),
        uetr=message.uetr(references, "UETR"),
        return_reason=returned,
        remittance=_remittance(message, entry),
    )


def _return_reason(message: Message, entry: Element, credit: bool) -> str:
    """Why money comes back. A debit with return information sends back what others paid to us: not our transfer."""
    place = message.one(entry, "RtrInf")
    if place is None or not credit:
        return ""
    return message.code(place, "Rsn") or UNSTATED


def _party(message: Message, entry: Element, side: str) -> BankAccount | None:
    parties = message.one(entry, "RltdPties")
    party = message.one(parties, side)
    wrapped = message.one(party, "Pty")  # .08 wraps what .02 says directly
    name = message.text(wrapped if wrapped is not None else party, "Nm", 140)
    place = message.one(parties, f"{side}Acct/Id")
    number = message.text(place, "IBAN") or message.text(place, "Othr/Id")
    bank = message.one(entry, f"RltdAgts/{side}Agt/FinInstnId")
    institution = message.text(bank, "BICFI") or message.text(bank, "BIC") or message.text(bank, "ClrSysMmbId/MmbId")
    account = "".join(number.split()).upper()
    return BankAccount(account, name, institution) if account or name else None


def _remittance(message: Message, entry: Element) -> tuple[str, ...]:
    """What the creditor reads: free texts as they are, and a line for each structured document or reference."""
    place = message.one(entry, "RmtInf")
    if place is None:
        return ()
    lines = list(message.texts(place, "Ustrd", 140))
    for document in message.many(place, "Strd"):
        said: list[str] = []
        for referred in message.many(document, "RfrdDocInf"):
            said += (message.code(referred, "Tp/CdOrPrtry"), message.text(referred, "Nb"))
        amounts = message.one(document, "RfrdDocAmt")
        for name in ("RmtdAmt", "CdtNoteAmt"):
            money = message.optional_money(amounts, name)
            said.append(str(money) if money is not None else "")
        said += (message.text(document, "CdtrRefInf/Ref"), *message.texts(document, "AddtlRmtInf", 140))
        line = " ".join(word for word in said if word)
        lines += [line] if line else []
    return tuple(lines)
