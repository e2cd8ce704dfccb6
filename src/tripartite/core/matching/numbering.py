"""Invoice numbers made comparable: what a duplicate does to a number, undone.

A supplier's number comes back with other punctuation, a letter O for a zero, a year in front or a letter behind. The
folded form is the same for all of these. It is for finding duplicates only; the number as stated is never replaced.
"""

from __future__ import annotations

import re
from functools import lru_cache

_RUNS = re.compile(r"[^\W\d_]+|[0-9]+")
_DIGITS = re.compile(r"[0-9]+")
_READ_AS = {"O": "0", "I": "1", "L": "1"}


@lru_cache(maxsize=65536)
def folded(number: str) -> str:
    """The number with everything taken out that repeats of one invoice differ in.

    Runs of letters and digits; a run that is a year from 2000 to 2099 is dropped unless no digits would remain;
    joined in upper case; O, I and L beside a digit are read as 0, 1, 1; leading zeros of each run of digits and
    letters after the last digit are dropped. Rule: S40.
    Example: `INV-2026/01OO-a` and `inv 100` are both `INV100`.
    """
    runs = _RUNS.findall(number)
    kept = [run for run in runs if not (len(run) == 4 and run.isdigit() and run.startswith("20"))]
    if any(run.isdigit() for run in kept):
        runs = kept
    text = list("".join(runs).upper())
    changed = True
    while changed:
        changed = False
        for place, letter in enumerate(text):
            if letter in _READ_AS and (
                (place > 0 and text[place - 1].isdigit()) or (place + 1 < len(text) and text[place + 1].isdigit())
            ):
                text[place] = _READ_AS[letter]
                changed = True
    joined = _DIGITS.sub(lambda run: run[0].lstrip("0") or "0", "".join(text))
    last = max((place for place, letter in enumerate(joined) if letter.isdigit()), default=-1)
    return joined[: last + 1] if last >= 0 else joined


def number_key(number: str) -> str:
    """The number as two equal ones are compared: trimmed, without case."""
    return number.strip().casefold()


def neighbours_swapped(one: str, other: str) -> bool:
    """Whether two folded numbers differ by swapping two neighbouring characters and in nothing else."""
    if len(one) != len(other) or one == other:
        return False
    places = [place for place in range(len(one)) if one[place] != other[place]]
    return (
        len(places) == 2
        and places[1] == places[0] + 1
        and one[places[0]] == other[places[1]]
        and one[places[1]] == other[places[0]]
    )
