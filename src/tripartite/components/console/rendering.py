"""Pages out of templates: the Jinja environment, whole pages or one block of them, and the headers of every answer.

Autoescape is on for everything; every value that is printed has its hidden characters written out. An undefined name
in a template is our bug and raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2_fragments import render_block
from litestar import Response
from markupsafe import Markup

from tripartite.components.console import assets, words
from tripartite.components.console.formats import indented, visible
from tripartite.components.console.views import links

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "private, no-cache",
    "vary": "Cookie, HX-Request",
}


def _shown(value: Any) -> Any:
    """What is printed in place of a value: nothing for None, and hidden characters written out."""
    if value is None:
        return ""
    if isinstance(value, Markup):
        return Markup(visible(value))  # noqa: S704  # only whole characters are replaced, none of them markup
    return visible(value) if isinstance(value, str) else value


@cache
def environment() -> Environment:
    """The one environment of the process."""
    made = Environment(
        loader=PackageLoader("tripartite.components.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(asset=assets.load().url, indented=indented, marks=words, to=links)
    return made


def render(template: str, context: Mapping[str, Any], block: str = "") -> str:
    """A whole page, or one block of it."""
    if block:
        return str(render_block(environment(), template, block, **context))
    return environment().get_template(template).render(**context)


def html(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[str]:
    """An answer of ours with the content policy."""
    return Response(text, status_code=status, media_type="text/html", headers={**HEADERS, **(headers or {})})


def see_other(address: str) -> Response[str]:
    """After an act, or where a reader must go first."""
    return Response("", status_code=303, media_type="text/html", headers={**HEADERS, "location": address})
