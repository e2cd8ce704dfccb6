"""People of the story who work at our console: they sign in with accounts of their own and act over HTTP."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx2
import msgspec

_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class NotLetIn(Exception):
    """Somebody of the story could not sign in or do what the story wants done; the message says what was answered."""


class Person:
    """Somebody with a session of their own."""

    def __init__(self, name: str, http: httpx2.AsyncClient) -> None:
        self.name, self._http = name, http

    async def get(self, path: str) -> Any:
        answer = await self._http.get(path)
        if answer.status_code != 200:
            raise NotLetIn(f"{self.name} asked {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """An act; the status and the answer, a problem too."""
        headers = {"content-type": "application/json"}
        answer = await self._http.post(path, content=msgspec.json.encode(body), headers=headers)
        return answer.status_code, answer.json()

    async def close(self) -> None:
        await self._http.aclose()


async def sign_in(base_url: str, name: str, one_time: str, password: str) -> Person:
    """Sign in with a one-time password and choose another, by the pages that everybody uses. Errors: `NotLetIn`."""
    http = httpx2.AsyncClient(base_url=base_url, timeout=60.0, trust_env=False)
    try:
        first = await http.post("/login", data={"name": name, "password": one_time})
        page = await http.get("/login/password")
        found = _CSRF.search(page.text)
        if first.status_code != 303 or found is None:
            raise NotLetIn(f"{name} signed in: {first.status_code}")
        form = {"csrf": html.unescape(found[1]), "old": one_time, "new": password, "again": password}
        chosen = await http.post("/login/password", data=form)
        if chosen.status_code != 303:
            raise NotLetIn(f"{name} chose a password: {chosen.status_code}")
    except BaseException:
        await http.aclose()
        raise
    return Person(name, http)
