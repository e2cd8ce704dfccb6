"""What the checkers look at: our database, and what each vendor committed."""

from __future__ import annotations

from typing import Any

import msgspec

from tripartite.rehearsal.due import Due
from tripartite.runtime.db import Database


class Seen(msgspec.Struct, kw_only=True):
    """Our database, and the truth of each simulator, read directly from it."""

    db: Database
    database_url: str
    erp: dict[str, Any]
    procurement: dict[str, Any]
    ap: dict[str, Any]
    warehouse: dict[str, Any]
    bank: dict[str, Any]
    tax: dict[str, Any]
    began_with: dict[str, str]  # what stood on our accounts before the story
    due: Due
