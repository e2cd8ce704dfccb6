"""Which claims to compare: a handful of keys each, and of each key the latest few. One more always costs the same.

A repeat shares at least one of: supplier group and folded number; supplier group, amount and currency; folded number
and amount, whoever bills; receipt. Each key keeps the latest `MOST_PER_KEY` claims, so a rent of a hundred equal months
does not grow the work. What is kept of a claim is the claim itself; a store keeps the same keys as columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from tripartite.core.duplicates.score import PROBABLE, Claim, Hit, compare

MOST_PER_KEY = 12
RECURRING = 3  # a supplier that billed an amount so often bills it again

Key = tuple[object, ...]


class Index:
    """The claims so far. `find` compares one with them, `add` takes it in."""

    def __init__(self) -> None:
        self._by_key: dict[Key, list[Claim]] = {}
        self.compared = 0
        self._last: tuple[Claim, tuple[Key, ...]] | None = None

    def _keys(self, one: Claim) -> tuple[Key, ...]:
        """The keys of a claim, worked out once for finding and adding it."""
        if self._last is None or self._last[0] is not one:
            self._last = (one, tuple(keys_of(one)))
        return self._last[1]

    def find(self, one: Claim, threshold: int = PROBABLE) -> list[Hit]:
        """The earlier claims that it may repeat, best first. Of two equal scores the earlier claim comes first."""
        seen: dict[str, Claim] = {}
        for key in self._keys(one):
            for earlier in self._by_key.get(key, ()):
                seen[earlier.claim_id] = earlier
        self.compared += len(seen)
        recurring = len(self._by_key.get((one.group, one.currency, abs(one.gross)), ())) >= RECURRING
        compared = (compare(one, earlier, recurring=recurring) for earlier in seen.values())
        hits = [hit for hit in compared if hit.score >= threshold]
        return sorted(hits, key=lambda hit: (-hit.score, hit.earlier.day, hit.earlier.claim_id))

    def add(self, one: Claim) -> None:
        """Take a claim in, so that later ones are compared with it."""
        for key in self._keys(one):
            known = self._by_key.get(key)
            if known is None:
                self._by_key[key] = [one]
            else:
                known.append(one)
                if len(known) > MOST_PER_KEY:
                    del known[0]


def keys_of(one: Claim) -> Iterator[Key]:
    """The blocking keys of a claim; the same number of them for every claim but for the receipts it names."""
    number = one.folded
    amount = abs(one.gross)
    yield (one.group, number)
    yield (one.group, one.currency, amount)
    yield (number, one.currency, amount)
    yield from sorted(one.receipts)
