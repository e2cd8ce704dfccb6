"""`tripartite policy`: what the commands print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.policy.test_slipping import FILES
from support.house import House
from support.papers import invoice, order, receipt, supplier
from tripartite.cli import policy as command
from tripartite.cli.policy import told
from tripartite.cli.running import NotReady
from tripartite.components.invoices import backtesting, history
from tripartite.core.policy.backtest import first_day


def folder(at: Path, *changes: tuple[str, str, str]) -> Path:
    """The baseline as a folder, with changes: file, old, new."""
    at.mkdir(parents=True)
    texts = dict(FILES)
    for file, old, new in changes:
        assert old in texts[file], old
        texts[file] = texts[file].replace(old, new, 1)
    for name, text in texts.items():
        (at / name).write_text(text, encoding="utf-8")
    return at


EUR = 'currency = "EUR"\nfrom = 2020-01-01\nuntil = "open"\nupper_percent = '
HARSHER = ("tolerances.toml", f'{EUR}"2"', f'{EUR}"1"')


def test_a_pack_that_cannot_be_read_ends_with_what_is_wrong(tmp_path: Path) -> None:
    bad = folder(tmp_path / "bad", ("tolerances.toml", 'upper_percent = "2"', 'upper_percent = "two"'))
    with pytest.raises(NotReady, match="neither a number"):
        command.read_folder(bad)
    assert command.diff(bad, bad) == 2


async def test_a_back_test_is_told_by_sum_supplier_reason_and_invoice(house: House, tmp_path: Path) -> None:
    old = command.read_folder(folder(tmp_path / "old"))
    new = command.read_folder(folder(tmp_path / "new", HARSHER))
    await house.bring(supplier(), order(), receipt())
    await house.bring_invoice(invoice(price="4.06"))
    estate, on = house.ports.estate, house.clock.now().date()
    await history.prepare(house.db, estate, old, lambda _: on)
    as_of = {company.code: on for company in estate.companies}
    assert first_day(old, new, on) == on
    found = await backtesting.backtest(house.db, estate, old, new, on=on, as_of=as_of)
    text = "\n".join(told(found, 20))
    assert "newly held: 1 of 48.31 EUR" in text
    assert "match.price_over_limit: newly held: 1" in text
    assert "48.31 EUR: posted -> held (match.price_over_limit)" in text
    assert "Touchless: 100.0 % as recorded, 0.0 % with the change (+0 -1)." in text
    assert found.digest in text
    assert json.loads(json.dumps(told(found, 0)))[-1] == f"Back-test {found.digest}"
