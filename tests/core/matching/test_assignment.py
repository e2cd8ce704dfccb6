"""The cheapest assignment, checked against trying everything."""

from fractions import Fraction
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from tripartite.core.matching.assignment import Assignment, Demand, Supply, assign

small = st.integers(1, 4)


def cost(assignment: list[list[tuple[int, Fraction]]], demands: list[Demand], supplies: list[Supply]) -> Fraction:
    return sum(
        (
            abs(demand.price - supplies[supply].price) * quantity
            for demand, parts in zip(demands, assignment, strict=True)
            for supply, quantity in parts
        ),
        Fraction(0),
    )


def best_of_all(demands: list[Demand], supplies: list[Supply]) -> tuple[Fraction, set[tuple[Fraction, ...]]]:
    """The least cost with everything placed, and per demand price the quantities on each supply that reach it."""
    pieces = [place for place, demand in enumerate(demands) for _ in range(int(demand.quantity))]
    best: Fraction | None = None
    ways: set[tuple[Fraction, ...]] = set()
    for chosen in product(range(len(supplies)), repeat=len(pieces)):
        if any(chosen.count(place) > (supplies[place].open or 0) for place in range(len(supplies))):
            continue
        price = sum(
            (abs(demands[piece].price - supplies[supply].price) for piece, supply in zip(pieces, chosen, strict=True)),
            Fraction(0),
        )
        # Equal lines are the same line: what counts is how much of each price stands on each price.
        kinds = sorted({demand.price for demand in demands})
        others = sorted({supply.price for supply in supplies})
        way = tuple(
            Fraction(
                sum(
                    demands[piece].price == kind and supplies[supply].price == other
                    for piece, supply in zip(pieces, chosen, strict=True)
                )
            )
            for kind in kinds
            for other in others
        )
        if best is None or price < best:
            best, ways = price, {way}
        elif price == best:
            ways.add(way)
    assert best is not None
    return best, ways


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(small, st.integers(1, 2)), min_size=1, max_size=3), st.lists(small, min_size=2, max_size=3))
def test_the_assignment_is_the_cheapest_and_ties_are_never_guessed(
    asked: list[tuple[int, int]], offered: list[int]
) -> None:
    demands = [Demand(Fraction(price), Fraction(quantity), tuple(range(len(offered))), "") for price, quantity in asked]
    total = sum(quantity for _, quantity in asked)
    supplies = [Supply(Fraction(price), Fraction(total), "") for price in offered[:1]]
    supplies += [Supply(Fraction(price), Fraction(2), "") for price in offered[1:]]
    outcome = assign(demands, supplies)
    best, ways = best_of_all(demands, supplies)
    for demand, parts in zip(demands, outcome.taken, strict=True):
        assert sum((quantity for _, quantity in parts), Fraction(0)) == demand.quantity
    assert cost(outcome.taken, demands, supplies) == best
    assert bool(outcome.ambiguous) == (len(ways) > 1)


def test_what_fits_nowhere_goes_to_the_nearest_price() -> None:
    supplies = [Supply(Fraction(5), Fraction(0), ""), Supply(Fraction(9), Fraction(0), "")]
    outcome = assign([Demand(Fraction(8), Fraction(3), (0, 1), "")], supplies)
    assert outcome == Assignment([[(1, Fraction(3))]], frozenset())


def test_equal_lines_are_served_in_order_the_cheaper_pairing_first() -> None:
    demands = [Demand(Fraction(9), Fraction(10), (0, 1), "") for _ in range(2)]
    supplies = [Supply(Fraction(5), Fraction(10), ""), Supply(Fraction(9), Fraction(10), "")]
    assert assign(demands, supplies).taken == [[(1, Fraction(10))], [(0, Fraction(10))]]


def test_a_supply_without_end_takes_everything() -> None:
    supplies = [Supply(Fraction(5), None, ""), Supply(Fraction(9), Fraction(1), "")]
    outcome = assign([Demand(Fraction(6), Fraction(100), (0, 1), "")], supplies)
    assert outcome.taken == [[(0, Fraction(100))]]


def test_too_many_unlike_lines_are_left_to_a_person() -> None:
    demands = [Demand(Fraction(price), Fraction(1), tuple(range(101)), "") for price in range(100)]
    supplies = [Supply(Fraction(price), Fraction(1), "") for price in range(101)]
    assert assign(demands, supplies).ambiguous == frozenset(range(100))
