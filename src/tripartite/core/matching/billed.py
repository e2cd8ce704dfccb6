"""An invoice made ready for matching: its numbers exact, its lines addressed, its number folded.

What the supplier sent is only read here, never changed. Amounts are in the document's currency; for credits they are
positive as stated, the kind gives the sign.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from tripartite.core.codec import encode
from tripartite.core.estate.names import name_key, party_id_key, tax_id_key
from tripartite.core.ids import digest
from tripartite.core.matching.exact import ONE, ZERO, exact, minor_part
from tripartite.core.matching.numbering import folded, number_key
from tripartite.core.matching.ordered import AMOUNT_SCALE, PRICE_SCALE, QUANTITY_SCALE, scaled
from tripartite.core.money import minor_digits
from tripartite.core.objects import Allowance, Invoice, InvoiceLine, Party

if TYPE_CHECKING:
    from tripartite.core.matching.evidence import Book
    from tripartite.core.matching.result import MatchResult

CREDITS = frozenset(["credit_memo", "subsequent_credit"])
FastLine = tuple[int, int, int, int, str, tuple[str, ...]]


class Arrived(msgspec.Struct, frozen=True):
    """An invoice with what is known about its life so far, in its place among the others.

    `sequence` orders arrivals. `decided`: it was decided before; `was_post`: it was decided `post` at some time.
    `kept`: it is paid, and this result stands whatever comes. `dropped`: refused, or found to be a duplicate before;
    it counts for nothing. `family`, `whole`: it is a part of a document that the supplier sent: the id of that one and
    what was sent, by which the part is known where debts are compared.
    """

    invoice_id: str
    invoice: Invoice
    arrived_on: date
    sequence: int
    decided: bool = False
    was_post: bool = False
    kept: MatchResult | None = None
    dropped: bool = False
    family: str = ""
    whole: Invoice | None = None


class BilledLine:
    """One invoice line. `quantity` is None where none is stated (an amount only); `exact` is what the stated quantity
    and price come to, before any rounding; `net` the same without tax where the prices include it."""

    __slots__ = (
        "amount",
        "codes",
        "discount_factor",
        "doc",
        "exact",
        "factor_net",
        "ids",
        "line",
        "net_amount",
        "order",
        "order_line",
        "plain",
        "quantity",
        "receipt",
        "unit",
        "weight",
    )

    def __init__(self, doc: InvoiceLine, bill: Bill, book: Book) -> None:
        self.doc = doc
        self.line = doc.line
        self.codes = doc.tax_codes
        self.unit = doc.unit
        self.receipt = doc.receipt_number
        self.order = doc.order_number or (bill.orders[0] if len(bill.orders) == 1 else "")
        self.order_line = doc.order_line
        self.ids = frozenset(name for name in (doc.item, doc.supplier_item, doc.gtin) if name)
        self.quantity = exact(doc.quantity) if doc.quantity is not None else None
        self.weight = exact(doc.price_quantity) if doc.price_quantity is not None else None
        self.discount_factor = ONE - exact(doc.discount_percent) / 100 if doc.discount_percent is not None else ONE
        priced = self.weight if self.weight is not None else self.quantity
        self.factor_net = (
            ONE / (ONE + book.billed_rate(doc.tax_codes, bill.tax_day)) if bill.doc.prices_include_tax else ONE
        )
        if priced is not None and doc.price is not None:
            value = priced * exact(doc.price)
            if doc.price_per:
                value = value / exact(doc.price_per)
            self.exact: Fraction | None = value if self.discount_factor is ONE else value * self.discount_factor
            for allowance in doc.allowances:
                self.exact += exact(allowance.amount)
        else:
            self.exact = None
        if doc.amount is not None:
            self.amount = exact(doc.amount)
        else:
            self.amount = minor_part(round((self.exact or ZERO) * bill.minor_scale), bill.minor_scale)
        self.net_amount = self.amount if self.factor_net is ONE else self.amount * self.factor_net
        self.plain = (
            self.quantity is not None
            and doc.price is not None
            and doc.price_per in (None, 1)
            and self.weight is None
            and self.discount_factor is ONE
            and self.factor_net is ONE
            and not doc.allowances
            and not self.receipt
        )

    @property
    def value(self) -> Fraction:
        """The exact value as billed, net of tax: quantity x price where both are stated, else the amount."""
        value = self.exact if self.exact is not None else self.amount
        return value if self.factor_net is ONE else value * self.factor_net


class BilledCharge:
    """One charge (positive) or allowance (negative) of the document."""

    __slots__ = ("amount", "codes", "doc", "kind", "line", "net_amount", "order")

    def __init__(self, doc: Allowance, line: int, bill: Bill, book: Book) -> None:
        self.doc = doc
        self.line = doc.line or line
        self.kind = doc.kind
        self.codes = doc.tax_codes
        self.order = doc.order_number
        self.amount = exact(doc.amount)
        inclusive = bill.doc.prices_include_tax
        rate = book.billed_rate(doc.tax_codes, bill.tax_day) if inclusive else ZERO
        self.net_amount = self.amount / (ONE + rate) if inclusive else self.amount


class BillNumbers:
    """The exact numbers of one invoice, worked out when it is looked at closely."""

    __slots__ = ("charges", "goods", "gross", "lines", "net", "taxes", "withheld")

    def __init__(self, bill: Bill, book: Book) -> None:
        doc = bill.doc
        self.lines = [BilledLine(line, bill, book) for line in doc.lines]
        after = max((line.line for line in doc.lines), default=0)
        self.charges = [BilledCharge(one, after + place, bill, book) for place, one in enumerate(doc.charges, 1)]
        self.taxes: dict[str, Fraction] = {}
        for entry in doc.taxes:
            self.taxes[entry.code] = self.taxes.get(entry.code, ZERO) + exact(entry.amount)
        self.withheld: dict[str, Fraction] = {}
        for part in doc.withholding:
            self.withheld[part.code] = self.withheld.get(part.code, ZERO) + exact(part.amount)
        self.goods = sum((line.net_amount for line in self.lines), ZERO)
        stated = sum((line.amount for line in self.lines), ZERO) + sum((one.amount for one in self.charges), ZERO)
        tax = sum(self.taxes.values(), ZERO)
        inclusive = doc.prices_include_tax
        # A total that is not stated is what the parts come to: nothing to disagree with.
        self.net = exact(doc.net) if doc.net is not None else stated - (tax if inclusive else ZERO)
        self.gross = exact(doc.gross) if doc.gross is not None else stated + (ZERO if inclusive else tax)


def _stranger(party: Party | None) -> str:
    """Who bills, where the master knows nobody: by the strongest mark on the document, apart from every known id.

    Two strangers who happen to use one number are two, and neither is refused for the other's bill. Rule: S40.
    """
    if party is None:
        return ""
    if party.tax_id:
        return f"?tax:{tax_id_key(party.tax_id)}"
    if party.endpoint is not None and (endpoint := party_id_key(party.endpoint)):
        return f"?endpoint:{endpoint}"
    return f"?name:{name_key(party.name)}" if party.name else ""


class Bill:
    """One invoice in a book. `fast` holds the scaled integers of a plain invoice (explicit order lines of one order,
    no charges, at most one tax code), else None; `totals` its net, tax and gross likewise."""

    __slots__ = (
        "_doc_digest",
        "_numbers",
        "arrived_on",
        "company",
        "currency",
        "day",
        "decided",
        "doc",
        "dropped",
        "family",
        "fast",
        "folded",
        "gross_key",
        "id",
        "kept",
        "kind",
        "minor_scale",
        "minor_size",
        "net_key",
        "number_key",
        "orders",
        "receipts_named",
        "replaces",
        "sequence",
        "supplier",
        "tax_day",
        "totals",
        "was_post",
    )

    def __init__(self, arrived: Arrived) -> None:
        doc = arrived.invoice
        self.id = arrived.invoice_id
        self.doc = doc
        self.sequence = arrived.sequence
        self.kind = doc.kind
        self.supplier = doc.supplier_id or doc.supplier_number or _stranger(doc.supplier)
        self.company = doc.company_code
        self.currency = doc.currency
        self.day = doc.issued_on or arrived.arrived_on
        self.tax_day = doc.tax_point_on or self.day  # BT-7 where it is stated: the day whose rates count
        self.arrived_on = arrived.arrived_on
        self.was_post = arrived.was_post
        self.decided = arrived.decided
        self.kept = arrived.kept
        self.dropped = arrived.dropped
        self.replaces = doc.replaces
        self.orders = doc.order_numbers
        self.minor_scale = 10 ** minor_digits(doc.currency)
        # One minor unit at the scale of amounts; the finest currency has four digits, so it is at least 1.
        self.minor_size = AMOUNT_SCALE // self.minor_scale
        whole = arrived.whole if arrived.whole is not None else doc
        self.family = arrived.family or arrived.invoice_id
        self.number_key = number_key(whole.number)
        self.folded = folded(whole.number) or self.number_key
        self.receipts_named = any(line.receipt_number for line in doc.lines)
        self._numbers: BillNumbers | None = None
        self.fast: tuple[FastLine, ...] | None = None
        self.totals = (0, 0, 0, "")
        # Decimals hash by value, so 100 and 100.00 are one key; a total that is not stated equals no other.
        self.gross_key: object = whole.gross if whole.gross is not None else self
        self.net_key: object = whole.net if whole.net is not None else self
        self._doc_digest = ""

    def numbers(self, book: Book) -> BillNumbers:
        """The exact numbers, worked out once."""
        if self._numbers is None:
            self._numbers = BillNumbers(self, book)
        return self._numbers

    @property
    def doc_digest(self) -> str:
        """SHA-256 of the invoice as received, in our canonical form."""
        if not self._doc_digest:
            self._doc_digest = digest(encode(self.doc))
        return self._doc_digest

    @property
    def credit(self) -> bool:
        """Whether its sign is ours: a credit memo or a value credit."""
        return self.kind in CREDITS

    def minor(self, amount: Fraction) -> int:
        """An exact amount in minor units of the document's currency, rounded once, half-even."""
        minor: int = round(amount * self.minor_scale)
        return minor

    def prepare_fast(self) -> None:
        """Work out the integers of the fast path, where this invoice is plain enough for it."""
        doc = self.doc
        if (
            doc.kind != "invoice"
            or len(doc.order_numbers) != 1
            or doc.charges
            or doc.withholding
            or doc.prices_include_tax
            or doc.replaces
            or doc.rate is not None
            or self.kept is not None
            or self.dropped
            or self.receipts_named
            or len(doc.taxes) > 1
            or doc.net is None
            or doc.gross is None
        ):
            return
        order = doc.order_numbers[0]
        lines = []
        for line in doc.lines:
            if (
                line.order_line is None
                or (line.order_number and line.order_number != order)
                or line.quantity is None
                or line.price is None
                or line.amount is None
                or line.quantity <= 0
                or line.price < 0
                or line.price_per not in (None, 1)
                or line.price_quantity is not None
                or line.discount_percent is not None
                or line.allowances
                or line.final
            ):
                return
            quantity = scaled(line.quantity, QUANTITY_SCALE)
            price = scaled(line.price, PRICE_SCALE)
            amount = scaled(line.amount, AMOUNT_SCALE)
            if quantity is None or price is None or amount is None:
                return
            lines.append((line.order_line, quantity, price, amount, line.unit, line.tax_codes))
        net, gross = scaled(doc.net, AMOUNT_SCALE), scaled(doc.gross, AMOUNT_SCALE)
        tax = scaled(doc.taxes[0].amount, AMOUNT_SCALE) if doc.taxes else 0
        if not lines or net is None or gross is None or tax is None or tax < 0:
            return
        self.totals = (net, tax, gross, doc.taxes[0].code if doc.taxes else "")
        self.fast = tuple(lines)
