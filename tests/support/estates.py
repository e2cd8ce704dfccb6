"""The development estate and the baseline policy, as `tripartite init` writes them, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from tripartite.cli.estate import baseline_files
from tripartite.core.estate import Estate, load_estate
from tripartite.core.policy import Pack, load_pack


@cache
def development_estate() -> Estate:
    text = (resources.files("tripartite") / "cli" / "templates" / "estate.toml").read_text(encoding="utf-8")
    found = load_estate(text, "estate.toml")
    assert isinstance(found, Estate), found
    return found


@cache
def baseline_pack() -> Pack:
    found = load_pack(baseline_files())
    assert isinstance(found, Pack), found
    return found


def day_zero_pack() -> Pack:
    """The baseline on the day on which the stock of suppliers is loaded: the accounts paid already are taken over."""
    pack = baseline_pack()
    rows = tuple(msgspec.structs.replace(row, first_account="taken_over") for row in pack.table("supplier"))
    return msgspec.structs.replace(pack, rows={**pack.rows, "supplier": rows})


def with_mode(estate: Estate, connection: str, mode: str) -> Estate:
    """The estate in which one connection goes this far for every company."""
    connections = tuple(
        msgspec.structs.replace(each, modes={"*": mode}) if each.name == connection else each
        for each in estate.connections
    )
    return msgspec.structs.replace(estate, connections=connections)


def without_publishing(estate: Estate) -> Estate:
    """The estate whose ERP gets its orders from elsewhere: an invoice then waits for nobody to publish them."""
    connections = tuple(
        msgspec.structs.replace(each, settings={**each.settings, "publish_orders": "off"})
        if each.role == "erp"
        else each
        for each in estate.connections
    )
    return msgspec.structs.replace(estate, connections=connections)
