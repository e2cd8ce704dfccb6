"""Who is reading, and how they like to read: the session, the reader's zone, digits, theme and keys; forms checked.

Not for what a reader may see: every question goes to its owner with the reader's own session, and the owner decides.
Here is only who may come in at all (`console.read`), and where somebody is sent who has not signed in.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie

from tripartite.components.console.asking import Answer, Ask, Asking, through
from tripartite.components.console.formats import Formats, reader_locale, reader_zone
from tripartite.components.console.rendering import html, render, see_other
from tripartite.runtime.auth import Principal, csrf_token, verify_session
from tripartite.runtime.component import Ports
from tripartite.runtime.http_app import SESSION_COOKIE, Problem, body_of

Web = Request[Any, Any, Any]
PERMISSION = "console.read"
THEMES = ("system", "light", "dark")
SETTINGS = {
    "theme": "tripartite_theme",
    "keys": "tripartite_keys",
    "zone": "tripartite_zone",
    "digits": "tripartite_digits",
}
SETTINGS_LIFE_SECONDS = 400 * 24 * 3600
LARGEST_FORM = 16 * 1024
MOST_FIELDS = 40


class Visit(msgspec.Struct, frozen=True):
    """One reader on one page."""

    session: str
    account: str
    principal: Principal
    formats: Formats
    theme: str
    keys: bool
    address: str
    partial: bool
    asking: Asking
    must_choose_password: bool

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return csrf_token(self.session)


class Unavailable(Exception):
    """The page's own fact could not be had; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.words)
        self.answer = answer


def required(answer: Answer) -> Any:
    """The body of an answer without which there is no page. Errors: `Unavailable`."""
    if not answer.ok:
        raise Unavailable(answer)
    return answer.body


def safe_next(address: str) -> str:
    """Where to go after signing in: an address of ours, never another site's."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\"))
    if not plain or any(mark < " " or mark == "\\" for mark in address) or urlsplit(address).netloc:
        return "/"
    return address[:2000]


def login_address(address: str) -> str:
    """The sign-in page, coming back to `address`."""
    wanted = safe_next(address)
    return "/login" if wanted == "/" else f"/login?{urlencode({'next': wanted})}"


def address_of(request: Web) -> str:
    """The address of a request, with its query."""
    query = request.scope["query_string"].decode("ascii", "replace")
    return request.url.path + (f"?{query}" if query else "")


def query_of(visit: Visit) -> dict[str, str]:
    """The query of the reader's address, the last of each name."""
    return dict(parse_qsl(visit.address.partition("?")[2], keep_blank_values=False, max_num_fields=20))


def formats_of(request: Web, ports: Ports) -> Formats:
    """How this reader reads numbers and times."""
    zones = [company.time_zone for company in ports.estate.companies]
    return Formats(
        locale=reader_locale(request.cookies.get(SETTINGS["digits"], ""), request.headers.get("accept-language", "")),
        zone=reader_zone(request.cookies.get(SETTINGS["zone"], ""), zones),
        now=ports.clock.now(),
    )


def theme_of(request: Web) -> str:
    chosen = request.cookies.get(SETTINGS["theme"], "")
    return chosen if chosen in THEMES else "system"


async def visit_of(request: Web, ports: Ports) -> Visit | None:
    """Who reads; None where nobody is signed in, or the session is over."""
    session = request.cookies.get(SESSION_COOKIE, "")
    if not session or len(session) > 200:
        return None
    async with ports.db.connection() as connection:
        found = await verify_session(connection, session)
    if found is None:
        return None
    # Where a process runs the console alone it is given a way to ask; otherwise the owners are in this application.
    ask: Ask = ports.ask or through(request.app)  # type: ignore[assignment]
    return Visit(
        session=session,
        account=found.account,
        principal=found.principal,
        formats=formats_of(request, ports),
        theme=theme_of(request),
        keys=request.cookies.get(SETTINGS["keys"], "") != "off",
        address=address_of(request),
        partial=request.headers.get("hx-request-type", "") == "partial",
        asking=Asking(ask, session),
        must_choose_password=found.must_choose_password,
    )


def surroundings(visit: Visit | None, request: Web, ports: Ports, **page: Any) -> dict[str, Any]:
    """What every template is given: the reader, how they read, and the page's own facts."""
    return {
        "visit": visit,
        "f": visit.formats if visit else formats_of(request, ports),
        "theme": visit.theme if visit else theme_of(request),
        "keys": visit.keys if visit else True,
        "estate": ports.estate.name,
        "nav": "",
        "rail": "wide",
        "as_of": None,
        "behind": None,
        **page,
    }


async def for_reader(
    request: Web, ports: Ports, work: Callable[[Visit], Awaitable[Response[Any]]], *, as_json: bool = False
) -> Response[Any]:
    """Do `work` for the reader, or send them to sign in, or say in words why there is no page."""
    visit = await visit_of(request, ports)
    if visit is None:
        return _to_login(request, as_json=as_json)
    if visit.must_choose_password:
        if as_json:
            raise Problem("access.not_permitted", 403, "Choose a password first.")
        return see_other("/login/password")
    if not visit.principal.may(PERMISSION):
        words = f"{visit.account} may not read the console; it takes the permission {PERMISSION!r}."
        if as_json:
            raise Problem("access.not_permitted", 403, words)
        return _error(request, ports, visit, Answer(403, words=words))
    try:
        return await work(visit)
    except Unavailable as unavailable:
        answer = unavailable.answer
        if answer.status == 401:
            return _to_login(request, as_json=as_json)
        if as_json:
            status = answer.status or 503
            raise Problem(answer.reason_code or _code(status), status, answer.words) from None
        return _error(request, ports, visit, answer)


def _code(status: int) -> str:
    return {403: "access.not_permitted", 404: "access.not_found"}.get(status, "integration.retries_exhausted")


def _to_login(request: Web, *, as_json: bool) -> Response[Any]:
    if as_json:
        raise Problem("access.not_permitted", 401, "Who are you? Sign in to the console.")
    address = login_address(address_of(request))
    if request.headers.get("hx-request"):
        # A fragment of a page must not hold the sign-in page: the whole window goes there.
        return html("", headers={"hx-redirect": address})
    return see_other(address)


def _error(request: Web, ports: Ports, visit: Visit, answer: Answer) -> Response[str]:
    status = answer.status or 503
    context = surroundings(visit, request, ports, answer=answer, status=status, title=_title(status))
    return html(render("error.html", context, "main" if visit.partial else ""), status)


def _title(status: int) -> str:
    return {403: "Not permitted", 404: "Not found", 503: "Not available now"}.get(status, "This page cannot be shown")


# Forms


async def form_of(request: Web, most_fields: int = MOST_FIELDS) -> Mapping[str, str]:
    """The fields of a posted form. Errors: `Problem` where it is larger than a form of ours, however it is sent."""
    body = await body_of(request, LARGEST_FORM * max(1, most_fields // MOST_FIELDS))
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=most_fields))
    except ValueError:
        raise Problem("intake.malformed", 400, "This is not a form of ours.") from None


def check_origin(request: Web) -> None:
    """A form comes from a page of ours. Errors: `Problem`.

    Browsers name the page's origin with every POST; whoever names another, or none at all from another site, is
    refused. What is no browser sends neither header and has no cookie to be abused.
    """
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    site = request.headers.get("sec-fetch-site")
    if (origin is not None and urlsplit(origin).netloc != host) or site not in (None, "same-origin", "none"):
        raise Problem("access.not_permitted", 403, "This form was sent from another site.")


def check_form(request: Web, visit: Visit, form: Mapping[str, str]) -> None:
    """A form of this session, from a page of ours. Errors: `Problem`."""
    check_origin(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(), visit.csrf.encode()):
        raise Problem("access.not_permitted", 403, "This form belongs to another session; load the page again.")


def session_cookie(request: Web, ports: Ports, session: str) -> Cookie:
    """The cookie of a session: not readable by scripts, not sent along from other sites."""
    secure = request.url.scheme == "https" or ports.estate.environment == "production"
    return Cookie(SESSION_COOKIE, value=session, httponly=True, samesite="lax", secure=secure, path="/")


def setting_cookie(request: Web, ports: Ports, name: str, value: str) -> Cookie:
    """How a reader likes to read; nothing secret."""
    secure = request.url.scheme == "https" or ports.estate.environment == "production"
    return Cookie(
        SETTINGS[name],
        value=value,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
        max_age=SETTINGS_LIFE_SECONDS,
    )
