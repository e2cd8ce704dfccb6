"""What a caller reads when we cannot answer now: when to come again, and never a stack trace."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import get
from psycopg_pool import PoolTimeout

from support.caller import Caller
from tripartite.runtime.db import DatabaseGone
from tripartite.runtime.http_app import build_app, permission


@pytest.mark.parametrize(
    ("error", "status"), [(PoolTimeout("full"), 503), (DatabaseGone("away"), 503), (KeyError("x"), 500)]
)
async def test_what_passes_by_itself_is_told_to_be_tried_again(error: Exception, status: int) -> None:
    @get("/fails", opt=permission("public"))
    async def fails() -> None:
        raise error

    authenticator: Any = None
    answer = await Caller(build_app([fails], authenticator, version="tests")).get("/fails")
    assert answer.status == status
    assert answer.json()["retryable"] is (status == 503)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert "Traceback" not in answer.body.decode()
