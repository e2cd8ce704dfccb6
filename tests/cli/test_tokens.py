"""A machine's token: made once at the command line, good for what it says, gone when it is revoked."""

from __future__ import annotations

import asyncio

import pytest

from support.api import Api
from support.caller import Caller
from tripartite.cli.tokens import KNOWN, created, revoked
from tripartite.runtime.auth import PERSON_ONLY, Tokens
from tripartite.runtime.http_app import PUBLIC
from tripartite.runtime.settings import Settings


def settings(api: Api) -> Settings:
    urls = api.house.urls
    return Settings(
        home=api.house.ports.settings.home,
        database_url=urls.worker,
        database_owner_url=urls.owner,
        database_serving_url=urls.serving,
    )


async def test_a_token_is_good_for_what_it_says_until_it_is_revoked(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tripartite.runtime.auth.CACHE_SECONDS", 0.0)
    status = await asyncio.to_thread(created, settings(api), "prometheus", ["metrics.read"], ["PL02"], 30)
    said = capsys.readouterr()
    token = said.out.strip()
    assert (status, token[:4]) == (0, "tpt_")
    assert token not in said.err
    caller = Caller(api.app, token)
    assert (await caller.get("/metrics")).status == 200
    assert (await caller.get("/v1/invoices")).status == 403
    principal = await Tokens(api.house.db, seconds=0).verify(token)
    assert principal is not None
    assert (principal.name, principal.companies) == ("prometheus", frozenset({"PL02"}))
    left = await api.house.value("SELECT expires_at - created_at > interval '29 days' FROM auth.token")
    assert left is True
    assert await asyncio.to_thread(revoked, settings(api), "prometheus") == 0
    assert await Tokens(api.house.db, seconds=0).verify(token) is None
    assert await asyncio.to_thread(revoked, settings(api), "prometheus") == 2, "there is none left"


@pytest.mark.parametrize("permissions", [[], ["metrics.raed"], ["payment.release"], ["console.read"]])
async def test_a_machine_gets_no_permission_that_is_unknown_or_a_persons(api: Api, permissions: list[str]) -> None:
    assert await asyncio.to_thread(created, settings(api), "x", permissions, [], 0) == 2
    assert await api.house.value("SELECT count(*) FROM auth.token") == 0


def test_the_permissions_that_a_token_may_hold_are_those_that_routes_ask_for(shared_api: Api) -> None:
    asked = {
        str(handler.opt["permission"])
        for route in shared_api.app.routes
        for handler in getattr(route, "route_handlers", ())
        if "permission" in handler.opt
    }
    assert set(KNOWN) == asked - {PUBLIC} - PERSON_ONLY
