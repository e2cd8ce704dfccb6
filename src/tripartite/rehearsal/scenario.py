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
from stdnum.iso7064 import mod_11_10, mod_97_10

from tripartite.rehearsal.kinds import CREDITS, FIRST_WAVE, KINDS, Trouble

Channel = Literal["capture", "ubl"]
_CENT = Decimal("0.01")


class Company(msgspec.Struct, frozen=True):
    code: str
    name: str
    country: str
    currency: str
    tax_code: str
    tax_rate: Decimal
    vat_id: str
    accounts: tuple[tuple[str, str], ...]  # general ledger account and cost centre of its plants


COMPANIES = (
    Company(
        "DE01", "Norddal GmbH", "DE", "EUR", "V19", Decimal(19), "DE812345673", (("1000", "CC-100"), ("2000", "CC-200"))
    ),
    Company(
        "PL02", "Norddal Polska Sp. z o.o.", "PL", "PLN", "P23", Decimal(23), "PL5260250274", (("3000", "CC-300"),)
    ),
)

LOWERED = Decimal(16)  # the rate of Germany by the tax engine, which our own tables do not know yet
SPENT = ("1000", "CC-900")  # a cost centre whose budget is used up


class SupplierPlan(msgspec.Struct, frozen=True):
    """`fate`: what becomes of a payment to this supplier. `refused`: the bank says no, the account is closed.
    `returned`: it is booked and comes back; a clerk looks into it, and the second payment stays. `part`: `new` is
    created after his first invoice came; `suspended` bills what others deliver, and is not paid.
    """

    number: str
    name: str
    country: str
    vat_id: str
    prefix: str
    company: str
    account: str = ""  # an IBAN
    institution: str = ""
    fate: Literal["paid", "refused", "returned"] = "paid"
    part: Literal["usual", "new", "suspended"] = "usual"


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


_FIRST = (
    *("Aurum", "Kestrel", "Meridian", "Borealis", "Cobalt", "Delta", "Ember", "Fjord", "Granit", "Helix", "Iris"),
    *("Juno", "Krone", "Linden", "Morava", "Nordal", "Orion", "Polder", "Quarz", "Rhein"),
)
_LAST = ("Bearings", "Hydraulics", "Freight", "Tools", "Coatings", "Plastics", "Fasteners", "Electric", "Packaging")
_ITEMS = (
    *("Ball bearing", "Spherical roller", "Shaft seal kit", "Hydraulic hose", "Pressure valve", "Cable gland"),
    *("Hex bolt M12", "Primer 5 l", "Stretch film", "Contactor 24 V", "Grinding disc", "Coupling"),
)


def plan(seed: int, count: int, today: date, *, first: int = 1) -> Story:
    """A story of `count` documents, numbered from `first`, issued in the two weeks before `today`."""
    chance = random.Random(f"story/{seed}/{count}")
    usual = _suppliers(chance, max(6, min(60, count // 10)))
    suppliers = (*usual, *(_further(each, first) for each in ("new", "suspended")))
    troubles = _troubles(chance, count)
    documents: list[DocumentPlan] = []
    originals: list[DocumentPlan] = []
    for index, trouble in enumerate(troubles, first):
        issued = today - timedelta(days=chance.randint(1, 14))
        channel: Channel = "ubl" if chance.random() < 0.4 or trouble == "unreadable" else "capture"
        if trouble == "tax_quoted":
            channel = "capture"  # it says the code; an e-invoice says the rate, and that rate is no code of ours yet
        if trouble not in FIRST_WAVE and originals:
            # Twins, repeats and credits speak of an earlier clean invoice, each of one of its own.
            document = _after(originals.pop(0), index, trouble, channel)
        else:
            document = _document(chance, index, trouble, channel, chance.choice(_who(trouble, suppliers)), issued)
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


def _who(trouble: Trouble, suppliers: tuple[SupplierPlan, ...]) -> tuple[SupplierPlan, ...]:
    """Whose documents may come to this trouble."""
    part = {"new_supplier": "new", "other_supplier": "suspended", "suspended": "suspended"}.get(trouble, "usual")
    mine = tuple(each for each in suppliers if each.part == part)
    if trouble in ("tax_quoted", "foreign_order"):  # in Germany an engine is asked; it has an account in dollars too
        return tuple(each for each in mine if each.company == "DE01")
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


def _suppliers(chance: random.Random, count: int) -> tuple[SupplierPlan, ...]:
    made = []
    for number in range(count):
        company = COMPANIES[0] if number % 3 != 2 else COMPANIES[1]
        name = f"{_FIRST[number % len(_FIRST)]} {_LAST[(number * 7 + number // len(_FIRST)) % len(_LAST)]}"
        vat = vat_id(company.country, 10000000 + 7919 * (number + 1))
        prefix = f"{name[:2].upper()}{chr(65 + number // 26)}{chr(65 + number % 26)}"
        fate: Literal["paid", "refused", "returned"] = {3: "refused", 5: "returned"}.get(number % 7, "paid")  # type: ignore[assignment]
        made.append(
            SupplierPlan(
                number=str(10300001 + number),
                name=name,
                country=company.country,
                vat_id=vat,
                prefix=prefix,
                company=company.code,
                account=iban(company.country, number + 1),
                institution={"DE": "COBADEFFXXX", "PL": "WBKPPLPPXXX"}[company.country],
                fate=fate,
            )
        )
    chance.shuffle(made)
    return tuple(made)


def _further(part: Literal["new", "suspended"], first: int) -> SupplierPlan:
    """A supplier beside the usual ones: of each story a new one, and always the same one who bills for others."""
    number = {"new": 7000 + first, "suspended": 6999}[part]
    return SupplierPlan(
        number=str(10380000 + number),
        name={"new": f"Tandem Werkzeuge {first}", "suspended": "Ultra Trading"}[part],
        country="DE",
        vat_id=vat_id("DE", 10000000 + 7919 * (number + 1)),
        prefix={"new": "TW", "suspended": "UT"}[part],
        company="DE01",
        account=iban("DE", number + 1),
        institution="COBADEFFXXX",
        part=part,
    )


def vat_id(country: str, number: int) -> str:
    """A VAT number whose check digit holds: ISO 7064 mod 11,10 in Germany, the weighted sum of the NIP in Poland."""
    if country == "DE":
        digits = str(number)
        return f"DE{digits}{mod_11_10.calc_check_digit(digits)}"
    weights = (6, 5, 7, 2, 3, 4, 5, 6, 7)
    digits = str(number * 10)
    while (total := sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % 11) == 10:
        digits = str(int(digits) + 1)
    return f"PL{digits}{total}"


def iban(country: str, number: int) -> str:
    """An account of a bank that exists, with the check digits of ISO 7064 mod 97,10."""
    local = f"37040044{number:010d}" if country == "DE" else f"10901014{number:016d}"
    return f"{country}{mod_97_10.calc_check_digits(local + country)}{local}"


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
