"""How the owners are asked: in this process through the application, with the reader's rights; slow ones given up."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Response, get
from litestar.testing import AsyncTestClient

from components.console.console_bench import Shown, books, console, postgres, worker_id_or_main
from tripartite.components.console import asking
from tripartite.components.console.app import component
from tripartite.components.console.asking import Asking, path
from tripartite.runtime.http_app import SESSION_COOKIE, Authenticator, Problem, build_app, permission

__all__ = ["books", "console", "postgres", "worker_id_or_main"]


@get("/v1/audit", opt=permission("audit.read"))
async def log_state() -> dict[str, Any]:
    return {"tree_size": 7, "pending": 0, "root": "ff" * 32, "sealed_at": None}


@get("/v1/connections", opt=permission("estate.read"))
async def connections() -> dict[str, Any]:
    raise Problem("access.not_found", 404, "No estate here.", next_action="look elsewhere")


@get("/v1/backlog", opt=permission("estate.read"))
async def backlog() -> Response[bytes]:
    return Response(b"\x00raw", media_type="application/octet-stream")


async def test_owners_in_the_same_process_need_no_wiring_and_judge_the_readers_rights(console: Shown) -> None:
    session = await console.sign_in()  # whose rights do not include audit.read
    ports: Any = SimpleNamespace(
        db=console.books.database, estate=console.ports.estate, ask=None, clock=console.ports.clock,
        chance=random.Random(1),
    )  # fmt: skip
    app = build_app(
        [*component.routes(ports), log_state, connections, backlog], Authenticator(console.books.database), version="0"
    )
    async with AsyncTestClient(app, base_url="http://console.test") as client:
        client.cookies.set(SESSION_COOKIE, session)
        refused = await client.get("/audit")
        assert refused.status_code == 403
        assert "it takes the permission &#39;audit.read&#39;" in refused.text
        missing = await client.get("/estate")
        assert missing.status_code == 404
        assert "No estate here." in missing.text
        ask = Asking(asking.through(app), session)
        assert (await ask.one("/v1/backlog")).body == b"\x00raw"
        assert (await ask.one("/v1/nowhere")).status == 404
        assert (await Asking(asking.through(app), "tps_wrong").one("/v1/backlog")).status == 401


async def test_an_owner_that_is_too_slow_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.01)

    async def slow(address: str, cookie: str) -> tuple[int, Any]:
        await asyncio.sleep(5)
        return 200, {}

    answer = await Asking(slow, "tps_x").one("/v1/audit")
    assert not answer.ok
    assert answer.words == "No answer within 0.01 seconds."
    assert answer.items == []


async def test_questions_go_out_together() -> None:
    running = most = 0

    async def ask(address: str, cookie: str) -> tuple[int, Any]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return 200, address

    answers = await Asking(ask, "tps_x").all({"a": "/v1/a", "b": "/v1/b"})
    assert most == 2
    assert {name: answer.body for name, answer in answers.items()} == {"a": "/v1/a", "b": "/v1/b"}


def test_an_address_is_quoted_and_leaves_out_what_is_not_asked() -> None:
    assert (
        path("invoices", "a/b?c", state="", q="Au & Sons", limit=50) == "/v1/invoices/a%2Fb%3Fc?q=Au+%26+Sons&limit=50"
    )
