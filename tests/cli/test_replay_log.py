"""A process log through the match: what is compared, what is told twice or shuffled, and what cannot be read."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from tripartite.cli.replay_log import run
from tripartite.rehearsal.process_log import LogItem, read_log, replay_log

BEFORE = "3-way match, invoice before GR"
CREATED, CAME, BILLED = "Create Purchase Order Item", "Record Goods Receipt", "Record Invoice Receipt"


def written(folder: Path, **items: tuple[str, list[str]]) -> Path:
    """A log of these items, one event a day."""
    with gzip.open(folder / "cases.csv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "item_category"])
        writer.writerows([name, category] for name, (category, _) in items.items())
    with gzip.open(folder / "events.csv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case_id", "seq", "timestamp", "activity"])
        for name, (_, activities) in items.items():
            for place, activity in enumerate(activities, 1):
                writer.writerow([name, place, f"2018-03-{place:02}T08:00:00", activity])
    return folder


def items(tmp_path: Path, **given: tuple[str, list[str]]) -> list[LogItem]:
    return read_log(written(tmp_path, **given))


def test_an_invoice_before_its_receipt_is_held_and_let_go_as_in_the_log(tmp_path: Path) -> None:
    log = items(
        tmp_path,
        a=(BEFORE, [CREATED, BILLED, CAME, "Remove Payment Block", "Clear Invoice"]),
        b=(BEFORE, [CREATED, CAME, BILLED, "Clear Invoice"]),
    )
    report = replay_log(log)
    counted = report.categories[BEFORE]
    assert (counted.both, counted.neither, counted.log_only, counted.ours_only) == (1, 1, 0, 0)
    assert (counted.held_then_released, counted.paid_while_held, counted.agreement) == (1, 0, "100.0 %")
    assert (report.same_twice, report.same_shuffled) == (2, 2)


def test_a_reversed_receipt_and_a_cancelled_invoice_leave_nothing_owed(tmp_path: Path) -> None:
    log = items(
        tmp_path,
        a=(BEFORE, [CREATED, CAME, BILLED, "Cancel Invoice Receipt", "Cancel Goods Receipt"]),
        b=(BEFORE, [CREATED, CAME, "Cancel Goods Receipt", BILLED]),
        c=(BEFORE, [CREATED, "Delete Purchase Order Item", BILLED, CAME]),
    )
    counted = replay_log(log).categories[BEFORE]
    assert counted.invoices == 3
    assert counted.ours_only == 2  # b: what came went back; c: the item is deleted
    assert counted.held_then_released == 0


def test_a_payment_of_what_is_held_is_counted(tmp_path: Path) -> None:
    log = items(tmp_path, a=(BEFORE, [CREATED, BILLED, "Clear Invoice", CAME]))
    assert replay_log(log).categories[BEFORE].paid_while_held == 1


def test_the_answer_is_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, a=("2-way match", [CREATED, BILLED]))
    assert run(folder, json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["categories"]["2-way match"]["agreement"] == "100.0 %"
    assert run(folder) == 0
    assert "1 items, 2 events" in capsys.readouterr().out


def test_a_log_that_cannot_be_read_is_said_by_file_and_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 2
    assert "cases.csv.gz: not found" in capsys.readouterr().err
    written(tmp_path, a=("2-way match", [CREATED]), b=("4-way match", [CREATED]))
    assert run(tmp_path) == 2
    assert "unknown category '4-way match'" in capsys.readouterr().err
    with gzip.open(tmp_path / "events.csv.gz", "at", encoding="utf-8") as file:
        file.write("a,2,yesterday,Clear Invoice\n")
    assert run(tmp_path) == 2
    assert "events.csv.gz: row 4" in capsys.readouterr().err


@pytest.mark.samples
def test_the_real_log_ends_alike_however_it_is_told() -> None:
    samples = os.environ.get("TRIPARTITE_SAMPLES")
    if not samples:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    log = read_log(Path(samples) / "bpi2019")
    some = log[::12]
    report = replay_log(some)
    assert report.items == len(some) > 400
    assert report.differs == []
    assert report.categories["Consignment"].invoices == 0
    assert report.categories["2-way match"].agreement == "100.0 %"
