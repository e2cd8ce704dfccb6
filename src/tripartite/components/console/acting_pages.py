"""How a form of a page becomes an act of its reader, whatever the act: one way in, one way to be refused.

    the form      carries the session's token, a key (a second click answers like the first) and what was seen
    the act       is the owner's, over its API, with the reader's session
    a password    is asked for once more where the owner wants to know that it is really this person, and kept nowhere

What the owner refuses is said in its own sentence, and nothing that was typed is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Response

from tripartite.components.console.asking import Answer
from tripartite.components.console.rendering import see_other
from tripartite.components.console.visit import Visit, Web, check_form, for_reader, form_of, login_address, visit_of
from tripartite.runtime.auth import step_up
from tripartite.runtime.component import Ports


class Trouble(msgspec.Struct, frozen=True):
    """Why a form did nothing, with what was typed; `password`: the owner wants the reader's password once more.

    `form` is the name of the form it is about, where a page has several.
    """

    words: str = ""
    form: str = ""
    typed: Mapping[str, str] = {}
    password: bool = False


NONE = Trouble()
MOST_FIELDS = 260  # a page of what was set aside has a field for each
Page = Callable[[Visit, Trouble], Awaitable[Response[Any]]]
Act = Callable[[Mapping[str, str]], tuple[str, Mapping[str, Any]]]


async def act_of(
    request: Web, ports: Ports, name: str, act: Act, *, page: Page, done: str | Callable[[Answer], str]
) -> Response[Any]:
    """Carry out a posted form. `act` says from its fields what to tell whom: (address of the API, body).

    After it: 303 to `done`. Refused: the page again (`page`), with the owner's words. Errors: `Problem` for a form of
    another session or site.
    """
    visit = await visit_of(request, ports)
    if visit is None:
        return see_other(login_address(done if isinstance(done, str) else "/"))
    form = await form_of(request, MOST_FIELDS)
    check_form(request, visit, form)
    typed = {field: value for field, value in form.items() if field not in ("csrf", "key", "password")}

    async def again(trouble: Trouble) -> Response[Any]:
        async def work(reader: Visit) -> Response[Any]:
            return await page(reader, trouble)

        response = await for_reader(request, ports, work)
        response.status_code = 422 if response.status_code == 200 else response.status_code
        return response

    if password := form.get("password", ""):
        source = request.client.host if request.client else ""
        if not await step_up(ports.db, visit.session, password, source=source):
            return await again(Trouble("This is not your password. Nothing was done.", name, typed, password=True))
    where, told = act(form)
    answer = await visit.asking.tell(where, msgspec.json.encode(told), form.get("key", ""))
    if answer.ok:
        return see_other(done if isinstance(done, str) else done(answer))
    return await again(Trouble(answer.words, name, typed, password=answer.wants_password))


def why_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The body of an act that takes a reason."""
    return {"why": form.get("why", "").strip()}
