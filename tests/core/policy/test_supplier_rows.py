"""The supplier rows: a company's own word before the one for any; overlaps and strangers are found."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from support.estates import baseline_pack, development_estate
from tripartite.core.policy import Pack, check_pack
from tripartite.core.policy.rows import SupplierRow

DAY = date(2026, 11, 20)


def row(**further: Any) -> SupplierRow:
    known: dict[str, Any] = {
        "id": "one",
        "valid_from": date(2020, 1, 1),
        "until": date.max,
        "company": "*",
        "required": ("name",),
        "first_account": "confirm",
        "unconfirmed_suspends": "account",
        "mismatch_suspends": "supplier",
        **further,
    }
    return SupplierRow(**known)


def pack(*rows: SupplierRow) -> Pack:
    baseline = baseline_pack()
    return msgspec.structs.replace(baseline, rows={**baseline.rows, "supplier": rows})


def found(*rows: SupplierRow) -> list[tuple[str, str]]:
    every = check_pack(pack(*rows), development_estate())
    return sorted({(each.severity, each.rule) for each in every if any(r.startswith("supplier") for r in each.rows)})


def test_the_baseline_confirms_a_first_account_like_a_change() -> None:
    rule = baseline_pack().supplier_rule("DE01", DAY)
    assert rule is not None
    assert (rule.first_account, rule.unconfirmed_suspends, rule.mismatch_suspends) == ("confirm", "account", "supplier")


def test_the_companys_own_row_speaks_before_the_one_for_any_and_only_on_its_days() -> None:
    day_zero = row(id="de", company="DE01", first_account="taken_over", until=date(2026, 12, 1))
    rules = pack(row(), day_zero)
    assert rules.supplier_rule("DE01", DAY) == day_zero
    assert rules.supplier_rule("PL02", DAY) == row()
    assert rules.supplier_rule("DE01", date(2026, 12, 1)) == row()


def test_overlap_gap_and_stranger_are_found() -> None:
    assert found(row()) == []
    assert found(row(), row(id="two")) == [("error", "overlap")]
    assert found(row(), row(id="two", company="XX99")) == [("error", "unknown")]
    assert found() == [("warning", "gap")]
