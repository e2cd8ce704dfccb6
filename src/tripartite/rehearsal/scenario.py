"""A story planned from a seed: suppliers, orders, receipts, invoices, and for every document the outcome it must have.

Pure: the same seed and number give the same story to the byte. A known share goes wrong on purpose; each kind of
trouble is named, and so is what Tripartite must make of it.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from tripartite.rehearsal.cast import (
    COMPANIES,
    LOWERED,
    SPENT,
    SupplierPlan,
    further_supplier,
    usual_suppliers,
)
from tripartite.rehearsal.kinds import CREDITS, FIRST_WAVE, KINDS, Trouble

Channel = Literal["capture", "ubl"]
_CENT = Decimal("0.01")


class LinePlan(msgspec.Struct, frozen=True):
    """One line, of the order and as billed. Prices net, in the order's currency.

    `received`: what is there before the invoice, net of what was undone; `late`: what comes after it. `first`: the part
    of `received` that comes in a delivery of its own. `undone`: what was booked, reversed, and then counted anew.
    `damaged`: what came broken, beside `received`. `sent_back`: what goes back after the invoice was posted.
    `unit`: pieces, or hours of a service, of which nothing is received.
    """

    line: int
    item: str
    description: str
    quantity: Decimal
    price: Decimal
    received: Decimal
    late: Decimal
    billed: Decimal
    billed_price: Decimal
    first: Decimal = Decimal(0)
    undone: Decimal = Decimal(0)
    damaged: Decimal = Decimal(0)
    sent_back: Decimal = Decimal(0)
    unit: str = "EA"

    @property
    def is_service(self) -> bool:
        return self.unit == "HUR"

    @property
    def amount(self) -> Decimal:
        return (self.billed * self.billed_price).quantize(_CENT)


class DocumentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice with the order and receipts behind it, and what must become of it."""

    index: int
    trouble: Trouble
    channel: Channel
    company: str
    supplier: SupplierPlan
    order: str
    order_known: bool
    number: str
    issued_on: date
    currency: str
    lines: tuple[LinePlan, ...]
    net: Decimal
    tax: Decimal
    gross: Decimal
    account: tuple[str, str] = ("1000", "CC-100")
    original: str = ""
    order_currency: str = ""
    ordered_from: SupplierPlan | None = None  # where the order was placed with somebody else

    @property
    def orders_from(self) -> SupplierPlan:
        """With whom its order was placed."""
        return self.ordered_from or self.supplier

    @property
    def document_id(self) -> str:
        """The channel's own id."""
        return f"doc-{self.index:06d}"

    @property
    def expected(self) -> tuple[str, str]:
        """The state at the end of the story and the reason that must stand on it."""
        kind = KINDS[self.trouble]
        return kind.state, kind.reason


class WishPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A requisition from which no order comes: the approver says no, or its cost centre has no money left."""

    fate: Literal["rejected", "over_budget"]
    company: str
    supplier: SupplierPlan
    account: tuple[str, str]
    amount: Decimal

    @property
    def expected(self) -> tuple[str, str]:
        """What is to be said of it: its state, and the reason that stands on it."""
        return ("rejected", "") if self.fate == "rejected" else ("pending", "budget.insufficient")


class Story(msgspec.Struct, frozen=True):
    seed: int
    today: date
    suppliers: tuple[SupplierPlan, ...]
    documents: tuple[DocumentPlan, ...]
    wishes: tuple[WishPlan, ...]

    def waves(self) -> tuple[list[DocumentPlan], list[DocumentPlan], list[DocumentPlan]]:
        """The documents in the order in which they come: first, those that speak of them, those after payment."""
        of = {name: kind.wave for name, kind in KINDS.items()}
        first, second, third = (
            [each for each in self.documents if of[each.trouble] == wave] for wave in ("first", "second", "third")
        )
        return first, second, third


_ITEMS = (
    *("Ball bearing", "Spherical roller", "Shaft seal kit", "Hydraulic hose", "Pressure valve", "Cable gland"),
    *("Hex bolt M12", "Primer 5 l", "Stretch film", "Contactor 24 V", "Grinding disc", "Coupling"),
)


def plan(seed: int, count: int, today: date, *, first: int = 1) -> Story:
    """A story of `count` documents, numbered from `first`, issued in the two weeks before `today`."""
    chance = random.Random(f"story/{seed}/{count}")
    usual = usual_suppliers(chance, max(6, min(60, count // 10)))
    suppliers = (*usual, *(further_supplier(each, first) for each in ("new", "suspended")))
    troubles = _troubles(chance, count)
    documents: list[DocumentPlan] = []
    originals: list[DocumentPlan] = []
    taxed = 0
    for index, trouble in enumerate(troubles, first):
        issued = today - timedelta(days=chance.randint(1, 14))
        channel: Channel = "ubl" if chance.random() < 0.4 or trouble == "unreadable" else "capture"
        if trouble == "tax_quoted":
            channel = "capture"  # it says the code; an e-invoice says the rate, and that rate is no code of ours yet
        if trouble not in FIRST_WAVE and originals:
            # Twins, repeats and credits speak of an earlier clean invoice, each of one of its own.
            document = _after(originals.pop(0), index, trouble, channel)
        else:
            document = _document(
                chance, index, trouble, channel, chance.choice(_who(trouble, suppliers, taxed)), issued
            )
            taxed += trouble == "tax"
            if trouble == "other_supplier":
                others = [each for each in usual if each.company == document.company]
                document = msgspec.structs.replace(document, ordered_from=chance.choice(others))
        if trouble == "clean":
            originals.append(document)
        documents.append(document)
    return Story(seed, today, suppliers, tuple(documents), _wishes(chance, max(2, count // 25), usual))


def _wishes(chance: random.Random, count: int, suppliers: tuple[SupplierPlan, ...]) -> tuple[WishPlan, ...]:
    made = []
    for place in range(count):
        supplier = chance.choice(suppliers)
        company = next(each for each in COMPANIES if each.code == supplier.company)
        fate: Literal["rejected", "over_budget"] = "rejected" if place % 2 else "over_budget"
        account = SPENT if fate == "over_budget" else company.accounts[0]
        amount = Decimal(chance.randint(50_000, 900_000)).scaleb(-2)
        made.append(WishPlan(fate=fate, company=company.code, supplier=supplier, account=account, amount=amount))
    return tuple(made)


def _who(trouble: Trouble, suppliers: tuple[SupplierPlan, ...], taxed: int) -> tuple[SupplierPlan, ...]:
    """Whose documents may come to this trouble; `taxed`: how many had the wrong tax before."""
    part = {"new_supplier": "new", "other_supplier": "suspended", "suspended": "suspended"}.get(trouble, "usual")
    mine = tuple(each for each in suppliers if each.part == part)
    if trouble in ("tax_quoted", "foreign_order"):  # in Germany an engine is asked; it has an account in dollars too
        return tuple(each for each in mine if each.company == "DE01")
    if trouble == "tax":  # by turns where an engine is asked, and where our own tables are
        return tuple(each for each in mine if each.company == COMPANIES[taxed % 2].code)
    return mine


def _troubles(chance: random.Random, count: int) -> list[Trouble]:
    """So many of each kind as its share says, by largest remainder; what comes second stands at the end.

    A story with room for it has every kind at least once, at the expense of the clean ones.
    """
    exact = {name: kind.share * count / 1000 for name, kind in KINDS.items()}
    numbers = {kind: int(value) for kind, value in exact.items()}
    missing = count - sum(numbers.values())
    for kind in sorted(exact, key=lambda kind: (numbers[kind] - exact[kind], kind))[:missing]:
        numbers[kind] += 1
    for kind, number in numbers.items():
        if number == 0 and count >= 2 * len(KINDS):
            numbers[kind], numbers["clean"] = 1, numbers["clean"] - 1
    waves: dict[str, list[Trouble]] = {"first": [], "second": [], "third": []}
    for name, number in numbers.items():
        waves[KINDS[name].wave] += [name] * number
    for wave in waves.values():
        chance.shuffle(wave)
    return [name for wave in waves.values() for name in wave]


def _document(
    chance: random.Random, index: int, trouble: Trouble, channel: Channel, supplier: SupplierPlan, issued: date
) -> DocumentPlan:
    company = next(each for each in COMPANIES if each.code == supplier.company)
    count = chance.randint(1, 5)
    wrong = chance.randint(1, count)
    lines = []
    for place in range(1, count + 1):
        quantity = Decimal(chance.randint(10, 60))
        # Unequal prices keep two honest invoices of one supplier from having the same total by chance.
        price = (Decimal(chance.randint(200, 9000)) + Decimal(index % 97)).scaleb(-2)
        lines.append(_line(chance, index, place, trouble, quantity, price, wrong=place == wrong))
    net = sum((line.amount for line in lines), Decimal(0))
    rate = {"tax": company.tax_rate + 2, "tax_quoted": LOWERED}.get(trouble, company.tax_rate)
    tax = (net * rate / 100).quantize(_CENT)
    return DocumentPlan(
        index=index,
        trouble=trouble,
        channel=channel,
        company=company.code,
        supplier=supplier,
        order=f"45{index:08d}" if trouble != "no_order" else "",
        order_known=trouble not in ("unknown_order", "no_order"),
        number=f"{supplier.prefix}{index:07d}",
        issued_on=issued,
        currency="USD" if trouble in ("foreign_currency", "foreign_order") else company.currency,
        order_currency="USD" if trouble == "foreign_order" else company.currency,
        lines=tuple(lines),
        net=net,
        tax=tax,
        gross=net + tax,
        account=company.accounts[index % len(company.accounts)],
    )


def _line(
    chance: random.Random, index: int, place: int, trouble: Trouble, quantity: Decimal, price: Decimal, *, wrong: bool
) -> LinePlan:
    """One line with what came of it; `wrong`: the line on which the trouble of the document stands."""
    line = LinePlan(
        line=place * 10,
        item=f"MAT-{(index + place) % len(_ITEMS):03d}",
        description=_ITEMS[(index + place) % len(_ITEMS)],
        quantity=quantity,
        price=price,
        received=quantity,
        late=Decimal(0),
        billed=quantity,
        billed_price=price,
    )
    some, few = Decimal(int(quantity * 6 / 10)), Decimal(chance.randint(3, 9))
    match trouble:
        case "partial_receipts":
            return msgspec.structs.replace(line, first=some)
        case "recounted":
            return msgspec.structs.replace(line, undone=quantity)
        case "recounted_short":
            return msgspec.structs.replace(line, undone=quantity, received=quantity - few if wrong else quantity)
        case "late_receipt" if wrong:
            return msgspec.structs.replace(line, received=some, late=quantity - some)
        case "damaged" if wrong:
            return msgspec.structs.replace(line, received=quantity - few, damaged=few)
        case "over_billed" if wrong:
            return msgspec.structs.replace(line, received=quantity - few)
        case "sent_back" if wrong:
            return msgspec.structs.replace(line, sent_back=few)
        case "service":
            return msgspec.structs.replace(line, item="", description="Maintenance", received=Decimal(0), unit="HUR")
        case "price" if wrong:
            dearer = (price * Decimal("1.12")).quantize(_CENT) + Decimal("1.00")
            return msgspec.structs.replace(line, billed_price=dearer)
    return line


def _after(original: DocumentPlan, index: int, trouble: Trouble, channel: Channel) -> DocumentPlan:
    """A twin in disguise, a repeat, or a credit of a tenth, of an earlier clean invoice."""
    if trouble in CREDITS:
        first = original.lines[0]
        back = Decimal(max(1, int(first.quantity / 10)))
        line = msgspec.structs.replace(first, billed=back, received=first.received)
        company = next(each for each in COMPANIES if each.code == original.company)
        tax = (line.amount * company.tax_rate / 100).quantize(_CENT)
        return msgspec.structs.replace(
            original,
            index=index,
            trouble=trouble,
            channel=channel,
            number=f"{original.supplier.prefix}C{index:06d}",
            lines=(line,),
            net=line.amount,
            tax=tax,
            gross=line.amount + tax,
            original=original.number,
        )
    number = original.number
    if trouble == "twin":
        place = number.rindex("0", 0, len(number)) if "0" in number[-7:] else len(number) - 1
        number = number[:place] + "O" + number[place + 1 :] if number[place] == "0" else number + "A"
    else:
        # The same number by the other channel, so that its bytes differ.
        channel = "ubl" if original.channel == "capture" else "capture"
    return msgspec.structs.replace(original, index=index, trouble=trouble, channel=channel, number=number)
