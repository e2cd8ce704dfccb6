"""The life of an invoice, as a table one can read aloud."""

from __future__ import annotations

from tripartite.core.invoice_life import LIVE, OPEN, STATES, TRANSITIONS

LIFE = """
held     -> parked approval to_post observed refused replaced
parked   -> held approval to_post observed refused replaced
approval -> held parked to_post observed refused replaced
observed -> held parked to_post refused replaced
to_post  -> posted held
posted   ->
refused  ->
replaced ->
"""


def test_the_life_of_an_invoice_is_this_table_and_nothing_else() -> None:
    told: set[tuple[str, str]] = set()
    for line in LIFE.strip().splitlines():
        before, _, following = line.partition("->")
        told |= {(before.strip(), after) for after in following.split()}
    assert told == set(TRANSITIONS)


def test_what_is_posted_refused_or_replaced_is_final() -> None:
    for state in ("posted", "refused", "replaced"):
        assert not any(before == state for before, _ in TRANSITIONS)


def test_an_invoice_is_open_or_live_or_out_and_never_two_of_these() -> None:
    assert set(OPEN) & set(LIVE) == set()
    assert set(STATES) - set(OPEN) - set(LIVE) == {"refused", "replaced"}


def test_only_what_is_to_be_posted_becomes_posted() -> None:
    assert {before for before, after in TRANSITIONS if after == "posted"} == {"to_post"}
