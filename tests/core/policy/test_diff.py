"""What changed between two releases of a policy, as a reviewer reads it."""

from __future__ import annotations

from pathlib import Path

import tripartite
from tripartite.core.policy import Pack, load_pack
from tripartite.core.policy.diff import PolicyChange, diff_packs

FOLDER = Path(tripartite.__file__).parent / "policy_packs/baseline"
FILES = {file.name: file.read_text("utf-8") for file in FOLDER.glob("*.toml")}


def changed(file: str, old: str, new: str) -> Pack:
    assert old in FILES[file]
    read = load_pack(FILES | {file: FILES[file].replace(old, new, 1)})
    assert isinstance(read, Pack)
    return read


BASE = changed("pack.toml", "# The", "# The")


def test_a_release_does_not_differ_from_itself() -> None:
    assert diff_packs(BASE, BASE) == ()


def test_a_changed_limit_is_said_with_before_and_after() -> None:
    new = changed("tolerances.toml", 'line_upper_absolute = "150.00"', 'line_upper_absolute = "200.00"')
    assert diff_packs(BASE, new) == (PolicyChange("changed", "price/eur", "line_upper_absolute", "150.00", "200.00"),)


def test_a_row_that_ends_is_said_in_the_words_of_the_file() -> None:
    new = changed("tolerances.toml", 'until = "open"', "until = 2027-01-01")
    assert diff_packs(BASE, new) == (PolicyChange("changed", "price/any-currency", "until", "open", "2027-01-01"),)


def test_a_renamed_row_is_one_removed_and_one_added_that_say_the_same() -> None:
    removed, added = sorted(
        diff_packs(BASE, changed("countries.toml", 'id = "pl"', 'id = "poland"')), key=lambda c: c.kind, reverse=True
    )
    assert (removed.row, added.row, removed.before) == ("country/pl", "country/poland", added.after)
