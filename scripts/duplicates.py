"""How good is the search for duplicates? On real spend with repeats put in, and on supplier names with known truth.

    .venv/bin/python scripts/duplicates.py SAMPLES [--seed N]

Reads `spend-uk/sheffield` and `vendor-names` of the samples in place; prints what docs/duplicates.md reports. Nobody
has judged the real spend: what is flagged there without having been put in is counted apart, neither right nor wrong.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from msgspec.structs import replace
from rapidfuzz import fuzz

from tripartite.core.duplicates import PROBABLE, Claim, Index
from tripartite.core.suppliers.likeness import LIKE_ENOUGH, plain_name

PUT_IN = 400  # repeats of each kind
OTHER_SUPPLIER = "twin of "


def spend(folder: Path) -> list[Claim]:
    """The documents of one council: lines of one supplier, number and document summed. Slipped rows are left out."""
    sums: dict[tuple[str, str, str], tuple[Decimal, date, str]] = {}
    for path in sorted(folder.glob("*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                cell = {key.strip().rstrip("."): value for key, value in row.items() if key}
                supplier = cell.get("Address Book No") or cell.get("Supplier No") or ""
                number, document = cell.get("Invoice No") or "", cell.get("Document No") or ""
                try:
                    value = Decimal((cell.get("Invoiced Value") or cell.get("Value") or "").replace(",", ""))
                    day = date.fromisoformat((cell.get("GL Date") or "")[:10])
                except (InvalidOperation, ValueError):
                    continue
                if not supplier or not number:
                    continue
                key = (supplier, number, document)
                known = sums.get(key)
                sums[key] = (value + (known[0] if known else 0), day, cell.get("Supplier Name") or "")
    return [
        Claim(
            f"{supplier}/{number}/{document}", supplier, supplier, "council", number, "GBP", day, value,
            name=plain_name(name),
        )
        for (supplier, number, document), (value, day, name) in sums.items()
    ]  # fmt: skip


def swapped(number: str, dice: random.Random) -> str:
    """Two unequal neighbouring digits change places."""
    places = [
        place
        for place in range(len(number) - 1)
        if number[place].isdigit() and number[place + 1].isdigit() and number[place] != number[place + 1]
    ]
    if not places:
        return ""
    place = dice.choice(places)
    return number[:place] + number[place + 1] + number[place] + number[place + 2 :]


def alike(number: str, dice: random.Random) -> str:
    """One digit is read as the letter it looks like."""
    looks = {"0": "O", "1": "I", "5": "S", "8": "B", "2": "Z", "6": "G"}
    places = [place for place, mark in enumerate(number) if mark in looks]
    if not places:
        return ""
    place = dice.choice(places)
    return number[:place] + looks[number[place]] + number[place + 1 :]


DISGUISES: dict[str, Callable[[Claim, random.Random], Claim | None]] = {
    "exact": lambda one, dice: one,
    "normalised": lambda one, dice: replace(one, number=f" {one.number[:2]}-{one.number[2:]}".lower()),
    "look-alike": lambda one, dice: replace(one, number=number) if (number := alike(one.number, dice)) else None,
    "suffix": lambda one, dice: replace(one, number=f"{one.number}{dice.choice('AB')}"),
    "transposed": lambda one, dice: replace(one, number=number) if (number := swapped(one.number, dice)) else None,
    "other entity": lambda one, dice: replace(one, company="other"),
    "other channel": lambda one, dice: replace(
        one, number=f"{one.day.year}/{'000' if one.number[0].isdigit() else ''}{one.number}"
    ),
    "supplier twin": lambda one, dice: replace(one, supplier=OTHER_SUPPLIER + one.supplier),
    "twin, other number": lambda one, dice: replace(
        one, supplier=OTHER_SUPPLIER + one.supplier, group=OTHER_SUPPLIER + one.supplier, number=f"{one.number}A"
    ),
}


def put_in(real: list[Claim], dice: random.Random) -> dict[str, tuple[str, str]]:
    """Append repeats to the real claims; new id -> (kind, id of the original)."""
    fit = [one for one in real if any(mark.isdigit() for mark in one.number) and len(one.number) >= 4]
    made: dict[str, tuple[str, str]] = {}
    for kind, disguise in DISGUISES.items():
        for original in dice.sample(fit, min(len(fit), PUT_IN)):
            changed = disguise(original, dice)
            if changed is None:
                continue
            name = f"{kind}:{original.claim_id}"
            made[name] = (kind, original.claim_id)
            real.append(replace(changed, claim_id=name, day=original.day + timedelta(days=dice.randint(0, 60))))
    return made


def judge_spend(folder: Path, seed: int) -> None:
    """Recall by disguise, what else is flagged, comparisons and claims a second."""
    claims = spend(folder)
    real = len(claims)
    made = put_in(claims, random.Random(seed))  # noqa: S311  (a draw for a measurement)
    claims.sort(key=lambda one: (one.day, one.claim_id in made, one.claim_id))
    index = Index()
    found: dict[str, int] = {}
    total: dict[str, int] = {}
    exact_twins = others = 0
    started = time.process_time()
    for one in claims:
        hits = index.find(one)
        index.add(one)
        if one.claim_id in made:
            kind, original = made[one.claim_id]
            total[kind] = total.get(kind, 0) + 1
            found[kind] = found.get(kind, 0) + any(hit.earlier.claim_id == original for hit in hits)
        elif hits := [hit for hit in hits if hit.earlier.claim_id not in made]:
            same = hits[0].earlier.number == one.number and hits[0].earlier.gross == one.gross
            exact_twins += same
            others += not same
    seconds = time.process_time() - started
    right = sum(found.values())
    print(f"spend-uk/sheffield: {real} real documents, {len(made)} repeats put in, threshold {PROBABLE}")
    for kind in DISGUISES:
        print(f"  {kind:20} {found.get(kind, 0):5} of {total.get(kind, 0):5} found")
    print(f"  real ones flagged: {exact_twins} of the same number and amount, {others} others, of {real}")
    print(f"  precision, all real ones wrong: {right / (right + exact_twins + others):.3f}; "
          f"those of the same number and amount left out: {right / (right + others):.3f}")  # fmt: skip
    print(f"  recall: {right / sum(total.values()):.3f}; {index.compared / len(claims):.2f} comparisons a claim; "
          f"{len(claims) / seconds:,.0f} claims a CPU second")  # fmt: skip


def pairs_of(names: list[tuple[str, str]]) -> Iterator[tuple[int, int]]:
    """Pairs of names that share a word that few names have."""
    by_word: dict[str, list[int]] = {}
    for place, (_, name) in enumerate(names):
        for word in set(name.split()):
            by_word.setdefault(word, []).append(place)
    seen: set[tuple[int, int]] = set()
    for places in by_word.values():
        if len(places) <= 60:
            for pair in itertools.combinations(places, 2):
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def judge_names(title: str, truth: list[tuple[str, str]]) -> None:
    """Pairs of names of one party: precision and recall of the product's likeness, and of words as a set."""
    names = [(party, plain_name(name)) for party, name in truth]
    by_party: dict[str, int] = {}
    for party, _ in names:
        by_party[party] = by_party.get(party, 0) + 1
    wanted = sum(count * (count - 1) // 2 for count in by_party.values())
    started = time.process_time()
    candidates = list(pairs_of(names))
    blocked = sum(names[one][0] == names[other][0] for one, other in candidates)
    print(f"{title}: {len(names)} names, {wanted} true pairs; blocking keeps {len(candidates)} pairs, {blocked} true")
    for words, scorer, least in (
        (f"ratio >= {LIKE_ENOUGH} (the product's)", fuzz.ratio, LIKE_ENOUGH),
        ("token set >= 90", fuzz.token_set_ratio, 90),
        ("token set >= 95", fuzz.token_set_ratio, 95),
    ):
        said = [pair for pair in candidates if scorer(names[pair[0]][1], names[pair[1]][1]) >= least]
        right = sum(names[one][0] == names[other][0] for one, other in said)
        print(f"  {words:28} precision {right / max(1, len(said)):.3f}, recall {right / wanted:.3f}")
    print(f"  {len(candidates) * 3 / (time.process_time() - started):,.0f} comparisons a CPU second")


def main() -> None:
    """Print all tables."""
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    samples = Path(sys.argv[1])
    seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 7
    judge_spend(samples / "spend-uk" / "sheffield", seed)
    with (samples / "vendor-names" / "goc-vendor-normalization.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parties = {one["parent_company"] for one in rows}
    judge_names(
        "vendor-names, Canada",
        [(one["parent_company"], one["company_name"]) for one in rows] + [(each, each) for each in sorted(parties)],
    )
    chicago = samples / "vendor-names" / "chicago-organisations-true-ids.csv.gz"
    with gzip.open(chicago, "rt", encoding="utf-8", newline="") as file:
        judge_names("vendor-names, Chicago", [(one["True Id"], one["Site name"]) for one in csv.DictReader(file)])


if __name__ == "__main__":
    main()
