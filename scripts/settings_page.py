"""Writes docs/settings.md from `runtime/settings.py`, so that every setting is documented where it is declared.

Not for changing settings. A house test compares the page with what this file would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from tripartite.runtime.settings import MEANINGS, Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """# Settings

Made from `src/tripartite/runtime/settings.py` by `scripts/settings_page.py`; change them there.

A process reads these variables of its environment once, at its start, and nothing else of it; secrets are named in
`estate.toml` by reference (`env:NAME` or `file:path`) and read when a connection is made. An empty variable counts as
not given. What belongs to the company and not to the process stands in [estate.toml](estate.md) and in the
[policy pack](policies.md).

| Setting | Default | Means |
|---|---|---|
"""
ALSO = """
`TRIPARTITE_SAMPLES` is read by tests only: the folder of real documents that they take in. Without it those tests are
skipped; `.ci/run` and `make test-real` count a skip as a failure.
"""


def settings_page() -> str:
    """The page as text: one row a setting, in the order of their declaration."""
    defaults = {f"TRIPARTITE_{field.name.upper()}": field.default for field in msgspec.structs.fields(Settings)}
    assert set(defaults) == set(MEANINGS), "every setting has a meaning and every meaning a setting"
    rows = [f"| `{name}` | {_shown(default)} | {MEANINGS[name]} |" for name, default in defaults.items()]
    return HEAD + "\n".join(rows) + "\n" + ALSO


def _shown(default: object) -> str:
    return f"`{default}`" if str(default) else "empty"


if __name__ == "__main__":
    sys.stdout.write(f"{PAGE.name}: {PAGE.write_text(settings_page(), encoding='utf-8')} characters\n")
