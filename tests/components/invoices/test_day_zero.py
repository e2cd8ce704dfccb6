"""Day zero on the real path: files through the door, then the first day's invoices against what they say."""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from support.house import House
from support.papers import ORDER, SUPPLIER, SUPPLIER_ID, invoice, order, receipt, supplier
from tripartite.cli.load_files import parts_of
from tripartite.cli.loading import Loader, Outcome
from tripartite.core.day_zero import Kind
from tripartite.core.ids import digest
from tripartite.core.matching.opening import OPENING_RECEIPT

DAY_ZERO = date(2026, 10, 31)
SUPPLIERS = f"number;name;company_codes;tax_id;number_in.sap\n{SUPPLIER};Aurum Bearings;DE01;DE100791906;{SUPPLIER}\n"
ORDERS = (
    "company_code;number;supplier_number;currency;issued_on;line;item;quantity;unit;price;tax_codes;received;billed\n"
    f"DE01;{ORDER};{SUPPLIER};EUR;2026-09-01;10;MAT-001;100;EA;4.00;V19;100;60\n"
)
HISTORY = (
    "company_code;supplier_number;number;currency;issued_on;net;gross;paid_on;document\n"
    f"DE01;{SUPPLIER};RE-2025/0100;EUR;2025-12-01;40.00;47.60;2025-12-30;5100000001\n"
)


class Files:
    """Loads texts into a house as the command does, without its process."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder
        self.count = itertools.count()

    async def load(
        self, kind: Kind, text: str, *, name: str = "", most: int = 20_000, source: str = "coupa"
    ) -> list[Outcome]:
        path = self.folder / (name or f"{kind}-{next(self.count)}.csv")
        path.write_bytes(text.encode())
        loader = Loader(self.house.ports, kind, source, path.name, digest(path.read_bytes()), DAY_ZERO)
        found: list[Outcome] = []
        for part in parts_of(path, kind, ["coupa", "sap"], most=most):
            found += await loader.take(part)
        await self.house.pump()
        return found

    async def everything(self) -> None:
        for kind, text in (("supplier", SUPPLIERS), ("order", ORDERS), ("history", HISTORY)):
            found = await self.load(kind, text)  # type: ignore[arg-type]
            assert [each.disposition for each in found] == ["applied"], found


@pytest.fixture
def files(house: House, tmp_path: Path) -> Files:
    return Files(house, tmp_path)


def dispositions(found: list[Outcome]) -> list[str]:
    return [each.disposition for each in found]


async def released(house: House) -> list[tuple[Any, ...]]:
    rows = await house.rows("SELECT receipt_number, quantity FROM invoices.allocation ORDER BY 1")
    return [(name, int(quantity)) for name, quantity in rows]


async def test_an_invoice_for_the_rest_of_an_old_order_passes_on_the_first_day(house: House, files: Files) -> None:
    await files.everything()
    await house.bring_invoice(invoice("RE-1", "40"))
    assert await house.state("RE-1") == "to_post"
    assert await released(house) == [(OPENING_RECEIPT, 40)]
    await house.settle()
    assert await house.state("RE-1") == "posted"


async def test_what_was_billed_in_the_old_system_is_not_paid_again(house: House, files: Files) -> None:
    await files.everything()
    await house.bring_invoice(invoice("RE-1", "41"))
    assert await house.state("RE-1") == "held"
    assert "match.quantity_over_received" in await house.codes("RE-1")
    await house.bring_invoice(invoice("RE-2", "40"))
    assert await house.state("RE-2") in ("held", "parked")  # RE-1 came first and competes for the same goods
    assert await released(house) == []


async def test_two_bills_for_the_rest_pay_the_rest_once(house: House, files: Files) -> None:
    await files.everything()
    await house.bring_invoice(invoice("RE-1", "30"))
    await house.bring_invoice(invoice("RE-2", "11"))
    await house.bring_invoice(invoice("RE-3", "10"))
    assert await house.state("RE-1") == "to_post"
    assert await house.state("RE-2") == "held"
    assert sum(quantity for _, quantity in await released(house)) <= 40


async def test_goods_that_come_after_day_zero_add_to_those_of_before(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    await files.load("order", ORDERS.replace(";100;60\n", ";60;60\n"))
    await house.bring_invoice(invoice("RE-1", "40"))
    assert await house.state("RE-1") in ("held", "parked")
    await house.bring(receipt("GR-NEW", "40", day=date(2026, 11, 3)))
    assert await house.state("RE-1") == "to_post"
    assert await released(house) == [("GR-NEW", 40)]


async def test_a_feed_that_brings_the_old_receipts_again_changes_nothing(house: House, files: Files) -> None:
    await files.everything()
    await house.bring(receipt("GR-OLD", "100", day=date(2026, 10, 5)))
    await house.bring_invoice(invoice("RE-1", "41"))
    assert await house.state("RE-1") == "held"
    most = "SELECT quantity FROM invoices.releasable WHERE receipt_number = ''"
    assert await house.value(most) == 40


@pytest.mark.parametrize(
    ("number", "day", "code"),
    [
        ("RE-2025/0100", date(2025, 12, 1), "duplicate.exact"),
        ("re-2025/0100", date(2026, 11, 16), "duplicate.exact"),
        ("RE 1OO", date(2025, 12, 1), "duplicate.probable"),
        ("2025-RE-0100-A", date(2025, 12, 15), "duplicate.probable"),
    ],
)
async def test_an_invoice_paid_last_year_is_stopped_also_in_disguise(
    house: House, files: Files, number: str, day: date, code: str
) -> None:
    await files.everything()
    await house.bring_invoice(invoice(number, "10", issued_on=day))
    assert await house.codes(number) == [code]
    assert await house.state(number) in ("refused", "held")
    assert await house.deliveries() == []


async def test_a_new_number_of_the_same_supplier_passes_beside_the_history(house: House, files: Files) -> None:
    await files.everything()
    await house.bring_invoice(invoice("RE-2026/0101", "10"))
    assert await house.state("RE-2026/0101") == "to_post"


@pytest.mark.parametrize("turn", list(itertools.permutations(("supplier", "order", "invoice"))))
async def test_loading_late_is_as_good_as_loading_early(house: House, files: Files, turn: tuple[str, ...]) -> None:
    # Without the supplier the order's row is rejected and loaded again; everything else finds its way.
    for what in turn:
        if what == "invoice":
            await house.bring_invoice(invoice("RE-1", "40"))
        elif what == "supplier":
            await files.load("supplier", SUPPLIERS)
        else:
            await files.load("order", ORDERS, name="orders.csv")
    await files.load("order", ORDERS, name="orders.csv")
    assert await house.state("RE-1") == "to_post"


async def test_history_that_is_loaded_late_stops_what_is_held_and_blocks_what_was_posted(
    house: House, files: Files
) -> None:
    await files.load("supplier", SUPPLIERS)
    await files.load("order", ORDERS)
    await house.bring_invoice(invoice("RE-2025/0100", "10", issued_on=date(2025, 12, 1)))
    assert await house.state("RE-2025/0100") == "to_post"
    await files.load("history", HISTORY)
    assert "duplicate.exact" in await house.codes("RE-2025/0100")
    assert await house.value("SELECT payment_block FROM invoices.invoice") is True


async def test_balances_for_an_order_that_the_feed_brought_first_are_taken(house: House, files: Files) -> None:
    await house.bring(supplier(), order(quantity="100", version=7))
    assert dispositions(await files.load("order", ORDERS)) == ["applied"]
    assert await house.value("SELECT version FROM orders.purchase_order") == 7
    assert await house.value("SELECT quantity FROM invoices.releasable WHERE receipt_number = ''") == 40
    await house.bring_invoice(invoice("RE-1", "40"))
    assert await house.state("RE-1") == "to_post"


async def test_a_repeat_of_an_old_bill_takes_no_goods_from_the_invoice_beside_it(house: House, files: Files) -> None:
    await files.everything()
    await house.bring_invoice(invoice("RE 1OO", "10", issued_on=date(2025, 12, 1)))
    assert await house.codes("RE 1OO") == ["duplicate.probable"]
    await house.bring_invoice(invoice("RE-NEW", "40"))
    assert await house.state("RE-NEW") == "to_post"


async def test_history_that_shows_one_invoice_to_be_a_repeat_lets_the_one_beside_it_go(
    house: House, files: Files
) -> None:
    await files.load("supplier", SUPPLIERS)
    await files.load("order", ORDERS)
    await house.bring_invoice(invoice("RE 1OO", "10", price="9.99", issued_on=date(2025, 12, 1)))
    await house.bring_invoice(invoice("RE-NEW", "40"))
    assert await house.state("RE-NEW") in ("held", "parked")
    await files.load("history", HISTORY.replace("40.00;47.60", "99.90;118.88"))
    assert await house.codes("RE 1OO") == ["duplicate.probable"]
    assert await house.state("RE-NEW") == "to_post"


async def test_a_credit_of_an_old_bill_stands_against_what_was_billed_before(house: House, files: Files) -> None:
    await files.everything()
    said = {"kind": "credit_memo", "original": "RE-2025/0100"}
    await house.bring_invoice(invoice("CR-1", "5", **said))
    assert await house.state("CR-1") == "to_post"
    await house.bring_invoice(invoice("CR-2", "56", **said))
    assert await house.codes("CR-2") == ["match.credit_over_billed"]


async def test_a_credit_whose_original_is_loaded_later_finds_it(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    await files.load("order", ORDERS)
    await house.bring_invoice(invoice("CR-1", "5", kind="credit_memo", original="RE-2025/0100"))
    assert await house.codes("CR-1") == ["reference.credit_orphan"]
    await files.load("history", HISTORY)
    assert await house.state("CR-1") == "to_post"


async def everything_kept(house: House) -> list[Any]:
    tables = await house.rows(
        """SELECT schemaname || '.' || relname FROM pg_stat_user_tables WHERE schemaname <> 'runtime'
        AND schemaname !~ '^pg_' ORDER BY 1"""
    )
    return [(table, await house.value(f"SELECT count(*) FROM {table}")) for (table,) in tables]


async def test_the_same_files_again_change_nothing_and_leave_nothing_behind(house: House, files: Files) -> None:
    await files.everything()
    before = await everything_kept(house)
    for kind, text in (("supplier", SUPPLIERS), ("order", ORDERS), ("history", HISTORY)):
        assert dispositions(await files.load(kind, text)) == ["duplicate"]  # type: ignore[arg-type]
    assert await everything_kept(house) == before


async def test_a_load_that_stopped_half_way_goes_on_with_the_same_file(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    rows = [
        f"DE01;{SUPPLIER};RE-{number};EUR;2025-12-01;40.00;47.60;2025-12-30;51{number:08d}\n" for number in range(50)
    ]
    text = HISTORY.partition("\n")[0] + "\n" + "".join(rows)
    path = files.folder / "history.csv"
    path.write_text(text)
    loader = Loader(house.ports, "history", "coupa", "history.csv", digest(text.encode()), None)
    parts = parts_of(path, "history", [], most=10)
    for _ in range(2):
        await loader.take(next(parts))
    found = await files.load("history", text, most=10)
    assert dispositions(found) == ["duplicate"] * 20 + ["applied"] * 30
    assert await house.value("SELECT count(*) FROM invoices.billed_before") == 50
    found = await files.load("history", text, most=7)  # cut otherwise: the rows are known all the same
    assert dispositions(found) == ["duplicate"] * 50


async def test_every_wrong_row_has_its_reason_line_and_column_and_its_neighbours_go_in(
    house: House, files: Files
) -> None:
    await files.load("supplier", SUPPLIERS)
    good = HISTORY.splitlines()[1]
    wrong = [
        good.replace("47.60", "47,60"),
        good.replace("2025-12-01", "01.12.2025"),
        good.replace("EUR", "EURO"),
        good.replace("DE01", "XX99"),
        good.replace(SUPPLIER, "4711"),
        good.replace("RE-2025/0100", ""),
        good + ";too much",
        good.replace("RE-2025/0100", "x" * 5000),
    ]
    found = await files.load("history", "\n".join([HISTORY.splitlines()[0], good, *wrong, good]) + "\n")
    assert [(each.line, each.disposition, each.reason_code, each.column) for each in found] == [
        (2, "applied", "", ""),
        (3, "rejected", "intake.amount_invalid", "gross"),
        (4, "rejected", "intake.value_out_of_range", "issued_on"),
        (5, "rejected", "intake.value_out_of_range", "currency"),
        (6, "rejected", "integration.mapping_missing", "company_code"),
        (7, "rejected", "supplier.unknown", "supplier_number"),
        (8, "rejected", "integration.schema_violated", "number"),
        (9, "rejected", "intake.malformed", ""),
        (10, "rejected", "intake.too_large", "number"),
        (11, "duplicate", "", ""),
    ]
    assert await house.value("SELECT count(*) FROM invoices.billed_before") == 1


async def test_another_word_on_the_same_thing_is_not_taken_silently(house: House, files: Files) -> None:
    await files.everything()
    [bill] = await files.load("history", HISTORY.replace("47.60", "57.60"))
    assert (bill.disposition, bill.reason_code) == ("rejected", "integration.state_differs")
    [line] = await files.load("order", ORDERS.replace(";100;60\n", ";100;70\n"))
    assert (line.disposition, line.reason_code) == ("rejected", "integration.state_differs")
    assert await house.value("SELECT quantity FROM invoices.releasable WHERE receipt_number = ''") == 40


async def test_balances_of_a_later_day_replace_those_of_an_earlier_one_and_never_back(
    house: House, files: Files
) -> None:
    await files.everything()
    dated = ORDERS.replace("received;billed", "received;billed;as_of")
    [later] = await files.load("order", dated.replace(";100;60\n", ";100;70;2026-11-10\n"))
    assert later.disposition == "applied"
    assert await house.value("SELECT quantity FROM invoices.releasable WHERE receipt_number = ''") == 30
    [earlier] = await files.load("order", dated.replace(";100;60\n", ";100;60;2026-11-01\n"))
    assert (earlier.disposition, earlier.reason_code) == ("rejected", "integration.version_stale")


async def test_an_order_is_taken_whole_or_not_at_all(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    second = f"DE01;{ORDER};{SUPPLIER};EUR;2026-09-01;20;MAT-002;1O;EA;4.00;V19;0;0\n"
    found = await files.load("order", ORDERS + second)
    assert [(each.reason_code, each.column) for each in found] == [
        ("integration.parent_awaited", "number"),
        ("intake.amount_invalid", "quantity"),
    ]
    assert await house.rows("SELECT 1 FROM invoices.opening_line") == []
    assert await house.rows("SELECT 1 FROM orders.purchase_order") == []
    found = await files.load("order", ORDERS + second.replace("1O", "10"))
    assert dispositions(found) == ["applied", "applied"]


async def test_rows_of_one_order_stay_together_and_may_not_stand_apart_or_disagree(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    lines = [f"DE01;{ORDER};{SUPPLIER};EUR;2026-09-01;{n}0;MAT-{n};100;EA;4.00;V19;100;60\n" for n in range(1, 8)]
    other = f"DE01;4500000002;{SUPPLIER};EUR;2026-09-01;10;MAT-1;100;EA;4.00;V19;0;0\n"
    head = ORDERS.partition("\n")[0] + "\n"
    found = await files.load("order", head + "".join(lines) + other + lines[0], most=3)
    assert dispositions(found[:8]) == ["applied"] * 8
    assert (found[8].reason_code, found[8].column) == ("intake.ambiguous", "number")
    third = f"DE01;4500000003;{SUPPLIER};EUR;2026-09-01;10;MAT-1;100;EA;4.00;V19;0;0\n"
    found = await files.load("order", head + third + third.replace("EUR", "USD").replace(";10;", ";20;"))
    assert (found[1].reason_code, found[1].column) == ("intake.ambiguous", "currency")
    found = await files.load("order", head + third + third)
    assert (found[1].reason_code, found[1].column) == ("intake.ambiguous", "line")


async def test_the_bytes_are_kept_and_a_leaf_says_what_was_taken_from_where(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    rows = "".join(HISTORY.splitlines(keepends=True)[1].replace("0100", f"{n:04d}") for n in range(25))
    text = "\ufeff" + HISTORY.partition("\n")[0] + "\n" + rows
    await files.load("history", text, most=10)
    kept = await house.rows(
        """SELECT r.content, i.name FROM gateway.intake i JOIN gateway.raw r USING (digest)
        WHERE i.format = 'load.history' ORDER BY i.intake_id"""
    )
    assert b"".join(content for content, _ in kept) == text.encode()
    assert [name.partition(" ")[2] for _, name in kept] == ["lines 2 to 11", "lines 12 to 21", "lines 22 to 26"]
    leaves = await house.rows("SELECT object_id, record FROM audit.leaf WHERE kind = 'load.taken' ORDER BY leaf_no")
    assert [each for each, _ in leaves][1:] == [digest(text.encode())] * 3
    assert b'"rows":{"applied":10}' in leaves[1][1]


async def test_json_lines_and_csv_say_the_same(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS)
    line = (
        f'{{"company_code": "DE01", "supplier_number": "{SUPPLIER}", "number": "RE-2025/0100", "currency": "EUR", '
        '"issued_on": "2025-12-01", "net": 40.00, "gross": 47.60, "paid_on": "2025-12-30", "document": "5100000001"}\n'
    )
    broken = '{"company_code": 1\n[]\n{"company_code": {"a": 1}}\n' + line.replace('"gross": 47.60, ', "")
    found = await files.load("history", line + broken, name="history.jsonl")
    assert [(each.line, each.reason_code) for each in found] == [
        (1, ""),
        (2, "intake.malformed"),
        (3, "integration.schema_violated"),
        (4, "integration.schema_violated"),
        (5, "integration.schema_violated"),
    ]
    assert dispositions(await files.load("history", HISTORY)) == ["duplicate"]


async def test_supplier_numbers_of_another_system_are_understood_by_naming_it(house: House, files: Files) -> None:
    await files.load("supplier", SUPPLIERS.replace(f";{SUPPLIER}\n", ";V-77\n"))
    text = HISTORY.replace(f"DE01;{SUPPLIER};", "DE01;V-77;")
    [unknown] = await files.load("history", text)
    assert unknown.reason_code == "supplier.unknown"
    assert dispositions(await files.load("history", text, source="sap")) == ["applied"]
    assert await house.value("SELECT supplier_id FROM invoices.billed_before") == SUPPLIER_ID
