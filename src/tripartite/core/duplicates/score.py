"""Two claims side by side: how likely it is that the second bills what the first billed, and why.

The score is a sum of marks, each a word and a whole number of hundredths, between 0 and 100. Number, amount and day
speak for a repeat; other parties, another period, a number that merely counts on and an amount that is billed again and
again speak against one. Nothing here decides. The weights were set on real spend (docs/duplicates.md).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from tripartite.core.matching.numbering import folded, neighbours_swapped, number_key

PROBABLE = 75  # from here on somebody compares the two side by side
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALIKE = str.maketrans({"S": "5", "B": "8", "Z": "2", "G": "6", "Q": "0", "D": "0", "O": "0", "I": "1", "L": "1"})


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is compared of an invoice or a credit. `group` is the supplier's: all that share a tax id or an account.

    `gross` and `net` in `currency`, as stated. `receipts`: order, order line and receipt number of lines that name one.
    `digest`: of the file as it came; `replaces`: the number it says it corrects.
    """

    claim_id: str
    supplier: str
    group: str
    company: str
    number: str
    currency: str
    day: date
    gross: Decimal
    net: Decimal | None = None
    kind: str = "invoice"
    receipts: frozenset[tuple[str, int, str]] = frozenset()
    orders: frozenset[str] = frozenset()
    digest: str = ""
    replaces: str = ""
    name: str = ""

    @property
    def folded(self) -> str:
        """The number with what repeats differ in taken out."""
        return folded(self.number) or number_key(self.number)


class Mark(msgspec.Struct, frozen=True):
    """One thing that speaks for or against a repeat, in hundredths."""

    words: str
    points: int


class Hit(msgspec.Struct, frozen=True):
    """An earlier claim that this one may repeat. `score` from 0 to 100; `marks` sum to it before it is capped."""

    earlier: Claim
    score: int
    marks: tuple[Mark, ...]

    @property
    def words(self) -> str:
        """Why, in one line."""
        return ", ".join(f"{mark.words} ({mark.points:+d})" for mark in self.marks)


def compare(one: Claim, earlier: Claim, *, recurring: bool = False) -> Hit:
    """How likely `one` repeats `earlier`. A correction that names what it replaces is no repeat, nor is a credit.

    `recurring`: the supplier bills this amount again and again, so that it says little beside a number that is only
    like the other.
    """
    if one.replaces and number_key(one.replaces) == number_key(earlier.number):
        return Hit(earlier, 0, (Mark("says that it replaces the other", 0),))
    if one.kind != earlier.kind or one.currency != earlier.currency:
        return Hit(earlier, 0, (Mark("another kind of document or another currency", 0),))
    if one.digest and one.digest == earlier.digest:
        return Hit(earlier, 100, (Mark("the same file", 100),))
    marks = [*_number(one, earlier), *_amount(one, earlier), _day(one, earlier), *_parties(one, earlier)]
    if one.receipts & earlier.receipts:
        marks.append(Mark("the same receipt on the same order line", 40))
    elif one.orders and earlier.orders and not one.orders & earlier.orders:
        marks.append(Mark("other orders", -15))
    if recurring and one.folded != earlier.folded:
        marks.append(Mark("an amount that is billed again and again", -20))
    marks = [mark for mark in marks if mark.points]
    return Hit(earlier, max(0, min(100, sum(mark.points for mark in marks))), tuple(marks))


def _number(one: Claim, earlier: Claim) -> list[Mark]:
    if number_key(one.number) == number_key(earlier.number):
        return [Mark("the same number", 50)]
    mine, theirs = one.folded, earlier.folded
    if mine == theirs:
        suffixes = {_suffix(one.number), _suffix(earlier.number)}
        if len(suffixes) == 2 and "" not in suffixes:
            return [Mark("the same number with another suffix", 20)]
        return [Mark("the same number but for punctuation, zeros, look-alikes, year or suffix", 45)]
    if _looks(one.number) == _looks(earlier.number):
        return [Mark("the same number but for letters that look like digits", 40)]
    if neighbours_swapped(mine, theirs):
        return [Mark("two neighbours of the number changed places", 38)]
    step = _counts_on(mine, theirs)
    if step:
        return [Mark("the number counts on", -20)]
    if _one_character_more(mine, theirs):
        return [Mark("one character of the number more or less", 25)]
    return []


def _suffix(number: str) -> str:
    """The letters after the last digit, which tell parts of one number apart (A, B)."""
    return number[len(number.rstrip(_LETTERS)) :].upper() if any(mark.isdigit() for mark in number) else ""


def _looks(number: str) -> str:
    """A number as it looks: letters and digits alone, look-alikes as digits."""
    return "".join(mark for mark in number.upper() if mark.isalnum()).translate(_ALIKE)


def _counts_on(mine: str, theirs: str) -> bool:
    """Whether two numbers are one series: the same but for their last digits, and near."""
    head, tail = _tail(mine)
    other_head, other_tail = _tail(theirs)
    if head != other_head or not tail or not other_tail:
        return False
    return 0 < abs(int(tail) - int(other_tail)) <= 1000


def _tail(number: str) -> tuple[str, str]:
    end = len(number)
    while end and number[end - 1].isdigit():
        end -= 1
    return number[:end], number[end:][-18:]


def _one_character_more(mine: str, theirs: str) -> bool:
    short, long = sorted((mine, theirs), key=len)
    if len(long) != len(short) + 1 or len(short) < 4:
        return False
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def _amount(one: Claim, earlier: Claim) -> list[Mark]:
    if one.gross == earlier.gross:
        # A small round sum is billed again and again; an odd one hardly.
        plain = one.gross == one.gross.to_integral_value() and abs(one.gross) < 1000
        return [Mark("the same gross", 28 if plain else 35)]
    if one.gross in (earlier.net, -earlier.gross) or earlier.gross == one.net:
        return [Mark("the other's net or its opposite", 30)]
    if sorted(str(one.gross)) == sorted(str(earlier.gross)) and neighbours_swapped(str(one.gross), str(earlier.gross)):
        return [Mark("two digits of the gross changed places", 15)]
    return [Mark("another amount", -40)]


def _day(one: Claim, earlier: Claim) -> Mark:
    apart = abs((one.day - earlier.day).days)
    if apart == 0:
        return Mark("the same day", 15)
    if apart <= 7:
        return Mark(f"{apart} days apart", 10)
    if apart <= 90:
        return Mark(f"{apart} days apart", 3)
    return Mark(f"{apart} days apart", -10 if apart <= 365 else -30)


def _parties(one: Claim, earlier: Claim) -> list[Mark]:
    marks = []
    if one.supplier != earlier.supplier:
        shared = one.group == earlier.group
        like = bool(one.name) and one.name == earlier.name
        marks.append(
            Mark("another record of the same supplier", -3)
            if shared
            else Mark("another supplier of the same name", -8)
            if like
            else Mark("another supplier", -30)
        )
    if one.company != earlier.company:
        marks.append(Mark("another company of ours", -5))
    return marks
