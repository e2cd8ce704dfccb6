"""The headless story: what was planned comes about, and every invariant holds by the simulators' own truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import uvloop

from tripartite.cli.demo import headless
from tripartite.rehearsal.checkers import CHECKS
from tripartite.rehearsal.kinds import KINDS
from tripartite.runtime.settings import Settings


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home: Path = tmp_path_factory.mktemp("story")
    report = home / "report.json"
    result: dict[str, Any] = uvloop.run(headless(Settings(home=home, port=24_300), 60, 5, report))
    assert report.exists()
    return result


def test_every_document_of_the_story_ends_as_it_was_planned(story: dict[str, Any]) -> None:
    assert story["differences"] == []
    kinds = {row["scenario"] for row in story["outcomes"]}
    assert kinds == {*KINDS, "requisition_rejected", "requisition_over_budget"}, "every kind of trouble happened"
    assert len([row for row in story["outcomes"] if row["scenario"] in KINDS]) == 60


def test_every_invariant_holds_by_the_vendors_own_truth(story: dict[str, Any]) -> None:
    assert [(check["id"], check["violations"]) for check in story["invariants"] if not check["ok"]] == []
    assert {check["id"] for check in story["invariants"]} == set(CHECKS)
    assert all(check["checked"] for check in story["invariants"]), "no checker looked at nothing"


def test_lost_answers_happened_and_were_resolved_by_probe(story: dict[str, Any]) -> None:
    attempts = story["counts"]["attempt"]
    assert attempts.get("send.unknown", 0) > 0
    assert attempts.get("probe.settled", 0) > 0


def test_money_left_for_all_that_was_to_be_paid_and_for_nothing_else(story: dict[str, Any]) -> None:
    rows = [row for row in story["outcomes"] if row["scenario"] in KINDS]
    assert all(row["planned"]["payment"] == row["actual"]["payment"] for row in rows)
    assert {row["actual"]["payment"] for row in rows} == {"paid", "refused", "none"}
    assert {"executed", "rejected", "returned"} <= set(story["counts"]["payment"])


def test_every_automated_step_on_an_exception_was_taken(story: dict[str, Any]) -> None:
    assert {row: [step for step, count in steps.items() if not count] for row, steps in story["steps"].items()} == {
        row: [] for row in ("invoice_without_order", "quantity_mismatch", "supplier_mismatch", "tax_variance")
    }


def test_the_report_has_the_shape_that_machines_read(story: dict[str, Any]) -> None:
    assert {"ok", "seed", "counts", "invariants", "rates", "latency_ms"} <= set(story)
    assert story["ok"] is True
    assert story["seed"] == 5
    assert set(story["latency_ms"]["arrival_to_decision"]) == {"p50", "p99"}
