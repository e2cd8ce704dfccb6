"""The cheapest assignment of invoice lines to order lines that fit equally well by item: S1, steps 3 and 4.

A transport problem solved exactly: as much as fits is placed, at the least sum of |invoice price - order price| x
quantity. Where two cheapest assignments differ in more than a swap of equal lines, the lines concerned are ambiguous
and nothing is guessed. This file knows numbers only, no documents.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from fractions import Fraction

import msgspec

from tripartite.core.matching.exact import ZERO

LARGEST = 10_000
"""Pairs of unequal lines beyond which an assignment is not attempted: it is then ambiguous, and a person's to say."""


class Demand(msgspec.Struct, frozen=True):
    """An invoice line that looks for order lines. `alike`: equal invoice lines have equal values here."""

    price: Fraction
    quantity: Fraction
    fits: tuple[int, ...]
    alike: Hashable


class Supply(msgspec.Struct, frozen=True):
    """An order line with its open quantity; None is without end. `alike`: equal order lines have equal values."""

    price: Fraction
    open: Fraction | None
    alike: Hashable


class Assignment(msgspec.Struct, frozen=True):
    """Per demand: the supplies it takes from and how much; and which demands are ambiguous."""

    taken: list[list[tuple[int, Fraction]]]
    ambiguous: frozenset[int]


def assign(demands: Sequence[Demand], supplies: Sequence[Supply]) -> Assignment:
    """Place the demands. Equal demands are served in order, the cheaper pairing first; equal supplies from the lowest;
    what fits nowhere goes to the nearest price, the lowest supply on equality. Rule: S1."""
    demand_groups = _grouped([(one.price, one.fits, one.alike) for one in demands])
    supply_fits = [
        tuple(place for place, one in enumerate(demands) if index in one.fits) for index in range(len(supplies))
    ]
    supply_groups = _grouped([(one.price, supply_fits[index], one.alike) for index, one in enumerate(supplies)])
    if len(demand_groups) * len(supply_groups) > LARGEST:
        return Assignment([[] for _ in demands], frozenset(range(len(demands))))
    flow = _Flow(demands, supplies, demand_groups, supply_groups)
    flow.solve()
    concerned = flow.undecided()
    ambiguous = frozenset(place for group in concerned for place in demand_groups[group])
    return Assignment(_spread(demands, supplies, demand_groups, supply_groups, flow.placed), ambiguous)


def _grouped(keys: Sequence[Hashable]) -> list[list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return list(groups.values())


class _Flow:
    """A min-cost flow between groups of equal lines. Nodes: 0 the source, then demand groups, supply groups, sink."""

    def __init__(
        self,
        demands: Sequence[Demand],
        supplies: Sequence[Supply],
        demand_groups: list[list[int]],
        supply_groups: list[list[int]],
    ) -> None:
        self.rows, self.columns = len(demand_groups), len(supply_groups)
        self.sink = 1 + self.rows + self.columns
        total = sum((one.quantity for one in demands), ZERO)
        # Arc -> [capacity left, cost]. Arcs are kept in both directions.
        self.left: dict[tuple[int, int], Fraction] = {}
        self.cost: dict[tuple[int, int], Fraction] = {}
        self.out: list[list[int]] = [[] for _ in range(self.sink + 1)]
        for row, members in enumerate(demand_groups):
            self._arc(0, 1 + row, sum((demands[place].quantity for place in members), ZERO), ZERO)
            for column, lines in enumerate(supply_groups):
                if lines[0] in demands[members[0]].fits:
                    away = abs(demands[members[0]].price - supplies[lines[0]].price)
                    self._arc(1 + row, 1 + self.rows + column, total, away)
        for column, lines in enumerate(supply_groups):
            opens = [supplies[line].open for line in lines]
            room = total if None in opens else min(total, sum((one for one in opens if one is not None), ZERO))
            self._arc(1 + self.rows + column, self.sink, room, ZERO)

    def _arc(self, start: int, end: int, room: Fraction, cost: Fraction) -> None:
        self.left[start, end], self.left[end, start] = room, ZERO
        self.cost[start, end], self.cost[end, start] = cost, -cost
        self.out[start].append(end)
        self.out[end].append(start)

    def _distances(self) -> tuple[list[Fraction | None], list[int]]:
        """Bellman-Ford from the source over arcs with room; costs may be negative on the way back."""
        distance: list[Fraction | None] = [None] * (self.sink + 1)
        came = [-1] * (self.sink + 1)
        distance[0] = ZERO
        queue = [0]
        while queue:
            following: list[int] = []
            for node in queue:
                here = distance[node]
                assert here is not None
                for other in self.out[node]:
                    if self.left[node, other] > 0:
                        there = here + self.cost[node, other]
                        known = distance[other]
                        if known is None or there < known:
                            distance[other], came[other] = there, node
                            if other not in following:
                                following.append(other)
            queue = following
        return distance, came

    def solve(self) -> None:
        """Push along cheapest paths until no more fits."""
        while True:
            distance, came = self._distances()
            if distance[self.sink] is None:
                return
            path = [self.sink]
            while path[-1] != 0:
                path.append(came[path[-1]])
            steps = list(zip(path[1:], path, strict=False))
            amount = min(self.left[step] for step in steps)
            for start, end in steps:
                self.left[start, end] -= amount
                self.left[end, start] += amount

    @property
    def placed(self) -> dict[tuple[int, int], Fraction]:
        """How much of each demand group stands on each supply group."""
        result = {}
        for row in range(self.rows):
            for column in range(self.columns):
                back = self.left.get((1 + self.rows + column, 1 + row), ZERO)
                if back > 0:
                    result[row, column] = back
        return result

    def undecided(self) -> set[int]:
        """Demand groups whose placing another equally cheap assignment would change: those on a cycle of cost zero
        with room in the residual network, longer than an arc and its own way back."""
        potential = [ZERO] * (self.sink + 1)
        for _ in range(self.sink + 1):
            changed = False
            for (start, end), room in self.left.items():
                if room > 0 and potential[start] + self.cost[start, end] < potential[end]:
                    potential[end] = potential[start] + self.cost[start, end]
                    changed = True
            if not changed:
                break
        free: dict[int, set[int]] = {}
        for (start, end), room in self.left.items():
            if room > 0 and potential[start] + self.cost[start, end] == potential[end]:
                free.setdefault(start, set()).add(end)
        concerned = set()
        for start, ends in free.items():
            for end in ends:
                row = start if 1 <= start <= self.rows else end
                if 1 <= row <= self.rows and start != 0 and end != 0 and self._returns(free, end, start):
                    concerned.add(row - 1)
        return concerned

    @staticmethod
    def _returns(free: dict[int, set[int]], start: int, goal: int) -> bool:
        """Whether `goal` is reached from `start` other than by the direct arc back."""
        seen = {start}
        waiting = [node for node in free.get(start, ()) if node != goal]
        while waiting:
            node = waiting.pop()
            if node == goal:
                return True
            if node not in seen:
                seen.add(node)
                waiting.extend(free.get(node, ()))
        return False


def _spread(
    demands: Sequence[Demand],
    supplies: Sequence[Supply],
    demand_groups: list[list[int]],
    supply_groups: list[list[int]],
    placed: dict[tuple[int, int], Fraction],
) -> list[list[tuple[int, Fraction]]]:
    """From groups back to lines."""
    open_left = [one.open for one in supplies]
    share: dict[int, list[tuple[int, Fraction]]] = {}
    for row, members in enumerate(demand_groups):
        columns = [column for column in range(len(supply_groups)) if (row, column) in placed]
        columns.sort(
            key=lambda column: (abs(demands[members[0]].price - supplies[supply_groups[column][0]].price), column)
        )
        share[row] = [(column, placed[row, column]) for column in columns]
    row_of = {place: row for row, members in enumerate(demand_groups) for place in members}
    taken: list[list[tuple[int, Fraction]]] = []
    for place, demand in enumerate(demands):
        mine: dict[int, Fraction] = {}
        left = demand.quantity
        parts = share[row_of[place]]
        for number, (column, amount) in enumerate(parts):
            rest = amount
            for line in supply_groups[column]:
                room = open_left[line]
                step = min(left, rest) if room is None else min(left, rest, room)
                if step > 0:
                    mine[line] = mine.get(line, ZERO) + step
                    left -= step
                    rest -= step
                    if room is not None:
                        open_left[line] = room - step
            parts[number] = (column, rest)
        if left > 0 or not mine:
            nearest = min(demand.fits, key=lambda line: (abs(demand.price - supplies[line].price), line))
            mine[nearest] = mine.get(nearest, ZERO) + left
        taken.append(sorted(mine.items()))
    return taken
