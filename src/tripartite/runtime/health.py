"""`GET /health` and `GET /ready`: whether this process answers, and whether it can work. Every process has both.

They say which parts run here and in which version, and nothing of the business: a load balancer asks them unnamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from litestar import get
from litestar.handlers import HTTPRouteHandler
from psycopg_pool import PoolTimeout

from tripartite.runtime.db import Database, DatabaseGone, execute
from tripartite.runtime.http_app import PUBLIC, Problem, permission

PATIENCE_MS = 2_000


def health_routes(db: Database, parts: Sequence[str], version: str) -> list[HTTPRouteHandler]:
    """The two routes of a process that runs these parts."""
    here = {"parts": list(parts), "version": version}

    @get("/health", opt=permission(PUBLIC), include_in_schema=False)
    async def health() -> dict[str, Any]:
        return {"ok": True, **here}

    @get("/ready", opt=permission(PUBLIC), include_in_schema=False)
    async def ready() -> dict[str, Any]:
        try:
            async with db.connection() as connection:
                await execute(connection, "SELECT set_config('statement_timeout', %s, true)", (str(PATIENCE_MS),))
        except (DatabaseGone, PoolTimeout, psycopg.Error):
            raise Problem("integration.retries_exhausted", 503, "The database is away.", retry_after=1.0) from None
        return {"ok": True, **here}

    return [health, ready]
