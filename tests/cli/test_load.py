"""`tripartite load` as a command: files in, a report out, and the database says the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.embedded_home import embedded_home, rows
from support.papers import SUPPLIER
from tripartite.cli import estate as estate_command
from tripartite.cli.load import run_load
from tripartite.cli.main import app
from tripartite.runtime.settings import Settings

SUPPLIERS = f"number,name,company_codes,tax_id,number_in.sap\n{SUPPLIER},Aurum Bearings,DE01,DE100791906,{SUPPLIER}\n"
ORDERS = (
    "company_code,number,supplier_number,currency,line,quantity,price,received,billed\n"
    f"DE01,4500000001,{SUPPLIER},EUR,10,100,4.00,100,60\n"
    f"DE01,4500000001,{SUPPLIER},EUR,20,10,4.00,0,0\n"
    f"DE01,4500000002,{SUPPLIER},EUR,10,ten,4.00,0,0\n"
)
HISTORY = "company_code,supplier_number,number,currency,issued_on,gross\n" + "".join(
    f"DE01,{SUPPLIER},RE-{number},EUR,2025-12-01,47.60\n" for number in range(30)
)
Load = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("estate")
    assert estate_command.init(folder) == 0
    with embedded_home() as settings:
        yield msgspec.structs.replace(settings, estate=folder / "estate.toml")


@pytest.fixture
def load(home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Load:
    """Write files by kind, load them, and give the exit status and the report (None where there is none)."""

    def run(source: str = "", as_of: str | None = "2026-10-31", **texts: str) -> tuple[int, Any]:
        files = []
        for kind, text in texts.items():
            path = tmp_path / f"{kind}.csv"
            path.write_text(text)
            files.append((kind, path))
        capsys.readouterr()
        day = None if as_of is None else date.fromisoformat(as_of)
        status = run_load(home, files, source, day, json=True)  # type: ignore[arg-type]
        out = capsys.readouterr().out
        return status, json.loads(out) if out else None

    return run


def test_files_go_in_in_their_order_and_the_report_counts_every_row(home: Settings, load: Load) -> None:
    status, told = load(supplier=SUPPLIERS, order=ORDERS, history=HISTORY)
    assert (status, told["ok"]) == (1, False)
    counts = [[each[name] for name in ("kind", "rows", "applied", "duplicate", "rejected")] for each in told["files"]]
    assert counts == [["supplier", 1, 1, 0, 0], ["order", 3, 2, 0, 1], ["history", 30, 30, 0, 0]]
    [wrong] = told["files"][1]["rejections"]
    assert (wrong["line"], wrong["column"], wrong["reason_code"]) == (4, "quantity", "intake.amount_invalid")
    assert rows(home, "SELECT count(*) FROM invoices.billed_before") == [(30,)]
    assert rows(home, "SELECT order_line, quantity FROM invoices.releasable WHERE receipt_number = '' ORDER BY 1") == [
        (10, 40),
        (20, 0),
    ]
    status, told = load(supplier=SUPPLIERS, order=ORDERS.rpartition("DE01")[0], history=HISTORY)
    assert (status, [each["duplicate"] for each in told["files"]]) == (0, [1, 2, 30])


def test_a_file_with_other_columns_is_refused_before_anything_is_loaded(home: Settings, load: Load) -> None:
    before = rows(home, "SELECT count(*) FROM gateway.raw")
    for text in (
        HISTORY.replace("gross", "amount"),
        HISTORY.replace("issued_on,", "").replace(",2025-12-01", ""),
        HISTORY.replace("currency,", "currency,currency,"),
        "",
    ):
        assert load(supplier=SUPPLIERS, history=text) == (2, None)
    assert rows(home, "SELECT count(*) FROM gateway.raw") == before


def test_a_source_that_the_estate_does_not_know_is_refused(load: Load) -> None:
    assert load(source="nobody", supplier=SUPPLIERS) == (2, None)


def test_an_order_row_without_a_day_for_its_balances_is_rejected(load: Load) -> None:
    status, told = load(as_of=None, supplier=SUPPLIERS, order=ORDERS.replace("4500000001", "4500000009"))
    assert status == 1
    assert {(each["column"], each["reason_code"]) for each in told["files"][1]["rejections"]} >= {
        ("as_of", "integration.schema_violated")
    }


def test_without_a_file_the_command_says_what_it_wants(capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["load"], result_action="return_value") == 2
    assert "--suppliers" in capsys.readouterr().err
