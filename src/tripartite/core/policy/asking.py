"""What a match asks of its bounds, noted while it runs: so that a change of policy is judged without running it again.

A match is a program whose only questions to the policy are comparisons of some number of the documents with a bound,
and a few words. Its path is the same as long as every question gets the same answer. So where another policy answers
each noted question as this one did, the match under it is the same match: same verdict, same reasons, same money.
That is the whole proof; it needs no knowledge of the rules. Each comparison is noted as the bound at which its answer
turns: a price 2.4 % over asks whether `price/upper_percent` reaches 2.4, and only a change across 2.4 concerns it.

    ask(book, policy_of, as_of) -> results, and per invoice what was asked and what else bears on it
    change.may_differ(asked, change) -> could another policy give another result

Invoices that share an order, or may be one another's duplicates, are judged together: the questions of each bear on
all of them (`group`). A policy that is lenient reads `ignore` in another way, so nothing is noted there and everything
that is not plainly right is evaluated again: slower, never wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

import msgspec

from tripartite.core.matching.billed import Bill
from tripartite.core.matching.document import sampled
from tripartite.core.matching.engine import NO_QUOTES, Evaluation, PolicyOf
from tripartite.core.matching.evidence import Book
from tripartite.core.matching.exact import Exact
from tripartite.core.matching.fast import FastPath
from tripartite.core.matching.numbering import folded
from tripartite.core.matching.ordered import AMOUNT_SCALE
from tripartite.core.matching.policy import (
    ChargeBounds,
    DocumentBounds,
    Limits,
    MatchPolicy,
    PriceBounds,
    QuantityBounds,
    Sampling,
    TaxBounds,
    bound,
    limits_of,
)
from tripartite.core.matching.result import MatchResult
from tripartite.core.objects.tax_quote import TaxQuote
from tripartite.core.policy.change import ANYTHING, NUMBERS, WORDS, Asked, Turns, word_of


class _Noted(Exact):
    """A bound times a factor that remembers its key and where to note. Compares as the number or the word it is."""

    __slots__ = ("factor", "key", "notes", "word")
    key: str
    word: str
    factor: Fraction
    notes: dict[str, Turns]

    @classmethod
    def of(cls, key: str, word: str, notes: dict[str, Turns]) -> _Noted:
        """The bound as the policy says it: a number, `exact` or `ignore`."""
        limit = bound(word)
        return cls._made(Fraction(0) if limit is None else limit, key, word, Fraction(1), notes)

    @classmethod
    def _made(cls, value: Fraction, key: str, word: str, factor: Fraction, notes: dict[str, Turns]) -> _Noted:
        self = object.__new__(cls)
        self._numerator, self._denominator = value.numerator, value.denominator
        self.key, self.word, self.factor, self.notes = key, word, factor, notes
        return self

    def _times(self, other: Fraction) -> _Noted:
        value = Fraction(self._numerator, self._denominator) * other
        return self._made(value, self.key, self.word, self.factor * other, self.notes)

    def __mul__(self, other: Any) -> Fraction:  # type: ignore[override]
        return self._times(Fraction(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Fraction:  # type: ignore[override]
        return self._times(1 / Fraction(other))

    def __bool__(self) -> bool:
        return True  # "is there a bound at all" is not a question about its number

    @property
    def is_stated(self) -> bool:
        """Whether it is a number, not a word: asked at reference 0, and then any change of the bound matters."""
        self.notes[self.key] = None
        return self.word not in ("exact", "ignore")

    def _note(self, other: Any) -> Fraction:
        number = Fraction(other)
        if self.factor <= 0:  # of nothing every share is nothing; of less than nothing more allows less
            self.notes[self.key] = None
            return number
        turn = number / self.factor
        known = self.notes.get(self.key, (turn, turn))
        if known is not None:
            self.notes[self.key] = (min(known[0], turn), max(known[1], turn))
        return number

    # `x <= bound` comes here as `bound >= x`. A bound that does not speak lets everything pass.

    def __ge__(self, other: Any) -> bool:
        number = self._note(other)
        return self.word == "ignore" or Fraction(self._numerator, self._denominator) >= number

    def __lt__(self, other: Any) -> bool:
        return not self.__ge__(other)

    def __gt__(self, other: Any) -> bool:
        raise AssertionError(f"{self.key} is compared in a way that is not noted")

    __le__ = __gt__

    def __eq__(self, other: object) -> bool:
        raise AssertionError(f"{self.key} is compared in a way that is not noted")

    __hash__ = Exact.__hash__


class _Listening:
    """The limits of one invoice, as the match reads them; notes what it reads."""

    def __init__(self, policy: MatchPolicy) -> None:
        self.real = limits_of(policy)
        self.policy = policy
        self.bounds: dict[str, Turns] = {}
        self.words: set[str] = set()
        self._made: dict[str, Fraction] = {}

    def __getattr__(self, name: str) -> Any:
        key = NUMBERS.get(name)
        if key is not None and self.real.lenient:
            # Under `lenient` a bound that does not speak is not one that lets pass: the real one is read, unnoted.
            self.words.add(ANYTHING)
        elif key is not None:
            made = self._made.get(name)
            if made is None:
                made = self._made[name] = _Noted.of(key, word_of(self.policy, key), self.bounds)
            return made
        self.words.update(WORDS.get(name, ()))
        return getattr(self.real, name)


class _Strict(Limits):
    """The bounds under which only what is plainly right passes; whoever asks about duplicates is noted."""

    __slots__ = ("_company", "_window", "_year", "words")

    def __init__(self, policy: MatchPolicy) -> None:
        self.words: set[str] = set()
        super().__init__(policy)

    @property
    def scope_company(self) -> bool:
        self.words.add("duplicate/scope")
        return self._company

    @scope_company.setter
    def scope_company(self, value: bool) -> None:
        self._company = value

    @property
    def scope_year(self) -> bool:
        self.words.add("duplicate/scope")
        return self._year

    @scope_year.setter
    def scope_year(self, value: bool) -> None:
        self._year = value

    @property
    def window_days(self) -> int | None:
        self.words.add("duplicate/window_days")
        return self._window

    @window_days.setter
    def window_days(self, value: int | None) -> None:
        self._window = value


@lru_cache(maxsize=1024)
def _strict(policy: MatchPolicy) -> _Strict:
    """The same policy with every bound on a difference exact, and nothing looked at twice."""
    return _Strict(
        msgspec.structs.replace(
            policy,
            combination="strict",
            small_difference="exact",
            review_amount="ignore",
            price=PriceBounds(),
            quantity=QuantityBounds(),
            charge=ChargeBounds(),
            tax=TaxBounds(),
            document=DocumentBounds("exact"),
            sample=Sampling(),
        )
    )


class _Plainly:
    """The fast path for what is right whatever the bounds: it asks for the review amount and the share of tax alone."""

    def __init__(self, fast: FastPath) -> None:
        self.inner = fast

    def give_up(self, order: str) -> list[Bill]:
        """See FastPath."""
        return self.inner.give_up(order)

    def decide(self, bill: Bill, limits: _Listening) -> MatchResult | None:
        """The result where it is plain, with its few questions noted; None: the full evaluation is asked."""
        real = limits.real
        if bill.fast is None or (real.one_in and sampled(bill, real)):
            return None
        most = Exact(max(line[3] for line in bill.fast), AMOUNT_SCALE)
        net, tax, _, _ = bill.totals
        if real.review_amount is not None and most > real.review_amount:
            return None
        if net <= 0 or (real.tax_ratio is not None and tax * 100 > net * real.tax_ratio):
            return None
        strict = _strict(limits.policy)
        strict.words = limits.words
        result = self.inner.decide(bill, strict)
        if result is not None:
            share = Fraction(tax * 100, net)
            limits.bounds["review_amount"] = (most, most)
            limits.bounds["tax/ratio_percent"] = (share, share)
        return result


class _Asking(Evaluation):
    """An evaluation that listens."""

    def __init__(self, book: Book, policy_of: PolicyOf, as_of: date, quotes: Mapping[str, TaxQuote]) -> None:
        super().__init__(book, policy_of, as_of, fast=True, quotes=quotes)
        assert self.fast is not None
        self.fast = cast("FastPath", _Plainly(self.fast))
        self.listening: dict[str, _Listening] = {}

    def _limits(self, bill: Bill) -> Limits:
        known = self.listening.get(bill.id)
        if known is None:
            known = self.listening[bill.id] = _Listening(self.policy_of(bill))
        return cast("Limits", known)


def ask(
    book: Book,
    policy_of: PolicyOf,
    as_of: date,
    quotes: Mapping[str, TaxQuote] = NO_QUOTES,
) -> tuple[list[MatchResult], dict[str, Asked]]:
    """The results of all invoices of a book, the same as `evaluate` gives, and what was asked for each."""
    evaluation = _Asking(book, policy_of, as_of, quotes)
    results = evaluation.run(None)
    groups = groups_of(book)
    asked = {}
    for bill in book.bills:
        listening = evaluation.listening.get(bill.id)
        words = set(listening.words) if listening is not None else set()
        if bill.replaces:
            words.add(ANYTHING)  # what it replaces is evaluated apart, where nothing is noted
        asked[bill.id] = Asked(dict(listening.bounds) if listening else {}, frozenset(words), groups[bill.id])
    return results, asked


def groups_of(book: Book) -> dict[str, str]:
    """Which invoices bear on one another: invoice -> the first of its group by arrival.

    They share an order or a contract, name one another, or have what makes duplicates: the same folded number, or
    amount and day, in one supplier group.
    """
    leader: dict[object, object] = {}

    def find(one: object) -> object:
        while (above := leader.get(one, one)) is not one:
            leader[one] = leader.get(above, above)
            one = above
        return one

    for bill in book.bills:
        for key in _bearings(book, bill):
            one, other = find(bill.id), find(key)
            if one is not other and one != other:
                leader[other] = one
    first: dict[object, str] = {}
    return {bill.id: first.setdefault(find(bill.id), bill.id) for bill in book.bills}


def _bearings(book: Book, bill: Bill) -> Iterator[object]:
    names = {*bill.orders, *(line.order_number for line in bill.doc.lines)}
    names |= {charge.order_number for charge in bill.doc.charges}
    for name in sorted(names - {""}):
        yield ("order", name)
        order = book.orders.get(name)
        if order is not None and order.doc.contract:
            yield ("contract", order.doc.contract)
    group = book.group(bill.supplier)
    yield ("number", group, bill.folded)
    yield ("amount", group, bill.gross_key, bill.day)
    for named in (bill.doc.original, bill.replaces):
        if named:
            yield ("number", group, folded(named) or named.strip().casefold())
            yield ("id", named)
    yield ("id", bill.id)
