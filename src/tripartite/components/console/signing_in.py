"""Signing in and out with a local account, choosing a password, and how a reader likes to read.

Who may come in is decided by runtime/auth; OpenID Connect comes in beside these pages. No password is ever written
back into a page, and a wrong one is told apart from an unknown name by nothing.
"""

from __future__ import annotations

from zoneinfo import available_timezones

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from tripartite.components.console.formats import LOCALES
from tripartite.components.console.rendering import html, render, see_other
from tripartite.components.console.visit import (
    THEMES,
    Visit,
    Web,
    check_form,
    check_origin,
    for_reader,
    form_of,
    login_address,
    safe_next,
    session_cookie,
    setting_cookie,
    surroundings,
    visit_of,
)
from tripartite.runtime.auth import LoggedIn, choose_password, log_in, log_out
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import SESSION_COOKIE, permission

ZONES = ("Europe/Berlin", "Europe/Warsaw", "Europe/Vienna", "Europe/London", "America/New_York", "Asia/Tokyo", "UTC")


def routes(ports: Ports) -> list[HTTPRouteHandler]:
    """The pages before and beside the others. Public: they see to the session themselves."""

    def login_page(request: Web, wanted: str, words: str = "", name: str = "", status: int = 200) -> Response[str]:
        context = surroundings(None, request, ports, title="Sign in", wanted=wanted, words_=words, name=name)
        return html(render("login.html", context), status)

    @get("/login", opt=permission("public"), include_in_schema=False)
    async def login(request: Web) -> Response[str]:
        wanted = safe_next(request.query_params.get("next", "/"))
        if await visit_of(request, ports) is not None:
            return see_other(wanted)
        return login_page(request, wanted)

    @post("/login", opt=permission("public"), include_in_schema=False)
    async def sign_in(request: Web) -> Response[str]:
        check_origin(request)
        form = await form_of(request)
        wanted, name = safe_next(form.get("next", "/")), form.get("name", "").strip()[:200]
        source = request.client.host if request.client else ""
        answer = await log_in(ports.db, name, form.get("password", ""), source=source)
        if not isinstance(answer, LoggedIn):
            if answer.reason == "throttled":
                minutes = -(-answer.after_seconds // 60)
                words = f"Too many attempts. Come again in {minutes} minute{'s' if minutes != 1 else ''}."
                return login_page(request, wanted, words, name, 429)
            return login_page(request, wanted, "This name and password do not go together.", name, 401)
        response = see_other("/login/password" if answer.must_choose_password else wanted)
        response.cookies.append(session_cookie(request, ports, answer.session.reveal()))
        return response

    @get("/login/password", opt=permission("public"), include_in_schema=False)
    async def password(request: Web) -> Response[str]:
        visit = await visit_of(request, ports)
        if visit is None:
            return see_other(login_address("/login/password"))
        return html(render("password.html", surroundings(visit, request, ports, title="Choose a password", words_="")))

    @post("/login/password", opt=permission("public"), include_in_schema=False)
    async def new_password(request: Web) -> Response[str]:
        visit = await visit_of(request, ports)
        if visit is None:
            return see_other(login_address("/login/password"))
        form = await form_of(request)
        check_form(request, visit, form)
        fresh = form.get("new", "")
        answer: LoggedIn | str = "The two new passwords differ."
        if fresh == form.get("again", ""):
            answer = await choose_password(ports.db, visit.session, form.get("old", ""), fresh)
        if isinstance(answer, str):
            context = surroundings(visit, request, ports, title="Choose a password", words_=answer)
            return html(render("password.html", context), 422)
        response = see_other("/")
        response.cookies.append(session_cookie(request, ports, answer.session.reveal()))
        return response

    @post("/logout", opt=permission("public"), include_in_schema=False)
    async def logout(request: Web) -> Response[str]:
        visit = await visit_of(request, ports)
        if visit is not None:
            check_form(request, visit, await form_of(request))
            async with ports.db.connection() as connection:
                await log_out(connection, visit.session)
        response = see_other("/login")
        response.delete_cookie(SESSION_COOKIE, path="/")
        return response

    @get("/me", opt=permission("public"), include_in_schema=False)
    async def me(request: Web) -> Response[str]:
        async def work(visit: Visit) -> Response[str]:
            zones = list(dict.fromkeys([visit.formats.zone, *(c.time_zone for c in ports.estate.companies), *ZONES]))
            context = surroundings(
                visit, request, ports, title="How you read", nav="me", zones=zones, locales=LOCALES, themes=THEMES
            )
            return html(render("me.html", context))

        return await for_reader(request, ports, work)

    @post("/me/settings", opt=permission("public"), include_in_schema=False)
    async def settings(request: Web) -> Response[str]:
        visit = await visit_of(request, ports)
        form = await form_of(request)
        if visit is None:
            return see_other(login_address("/me"))
        check_form(request, visit, form)
        allowed = {"theme": THEMES, "keys": ("on", "off"), "digits": LOCALES, "zone": available_timezones()}
        response = see_other(safe_next(form.get("next", "/me")))
        for name, values in allowed.items():
            if form.get(name, "") in values:
                response.cookies.append(setting_cookie(request, ports, name, form[name]))
        return response

    return [login, sign_in, password, new_password, logout, me, settings]
