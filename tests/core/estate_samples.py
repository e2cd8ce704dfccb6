"""The estate that `tripartite init` writes, for tests: as text to spoil, as value, with the kinds it needs."""

from __future__ import annotations

from pathlib import Path

import msgspec

import tripartite
from tripartite.core.estate import Estate, EstateFinding, check_estate, load_estate

TEXT = (Path(tripartite.__file__).parent / "cli/templates/estate.toml").read_text(encoding="utf-8")


class Kind(msgspec.Struct):
    roles: tuple[str, ...]
    auth: str = "none"
    writes: tuple[str, ...] = ("post_invoice",)


KINDS = {
    "coupa": Kind(("procurement",)),
    "capture": Kind(("ap",)),
    "sap_s4hana": Kind(("erp",)),
    "acme": Kind(("erp", "procurement")),
    "documents": Kind(("documents",), writes=()),
}


def estate(text: str = TEXT) -> Estate:
    read = load_estate(text)
    assert isinstance(read, Estate), read
    return read


def findings(text: str) -> list[EstateFinding]:
    return check_estate(estate(text), KINDS, text)


def spoiled(old: str, new: str, count: int = 1) -> str:
    assert old in TEXT, old
    return TEXT.replace(old, new, count)


def one_route(company: str, connection: str, until: str = '"open"', since: str = "2026-01-01") -> str:
    return (
        f'[[route]]\ncompany = "{company}"\ndocument = "*"\nconnection = "{connection}"\n'
        f"from = {since}\nuntil = {until}\n"
    )
