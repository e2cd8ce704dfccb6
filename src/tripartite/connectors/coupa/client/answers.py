"""How Coupa says no, and how a question is spelled: pure functions of the client.

Failures of a pull, a fetch or a question; each says whether trying again can help:

    HttpFailure                 the port's own: no usable answer came
    +-- CoupaFailure            the same, told by this connector
        +-- Unreachable         no usable answer, or 5xx: try again
        +-- Throttled           429: try again, after the seconds Coupa named, if it did
        +-- CredentialsRefused  401 after a wait and a new token, 403, or no token at all: a person must act
        +-- AnswerInvalid       not what the contract says (a login page, no JSON, an unsorted page)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from tripartite.runtime import protocol
from tripartite.runtime.protocol import HttpFailure, HttpResponse

Query = Sequence[tuple[str, str]]


class CoupaFailure(HttpFailure):
    """Nothing came of a call. `after_seconds` only where Coupa said so. The text never holds a secret."""

    retryable = False
    reason_code = "outbound.answer_invalid"

    def __init__(self, detail: str, *, after_seconds: float | None = None) -> None:
        super().__init__(detail, sent=True)
        self.after_seconds = after_seconds


class Unreachable(CoupaFailure):
    retryable = True


class Throttled(CoupaFailure):
    retryable = True


class CredentialsRefused(CoupaFailure):
    reason_code = "access.not_permitted"


class AnswerInvalid(CoupaFailure):
    reason_code = "integration.contract_drifted"


def encoded(query: Query) -> str:
    """Names and values percent-encoded to the last `+` and `:`, which Coupa would otherwise misread."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)


def error_words(content: bytes) -> str:
    """Coupa's complaint as a sentence: `{"errors": {"account": ["is invalid"]}}` says `account is invalid`.

    The map's values may be one text or several; the whole may be a list. What is none of these is only measured,
    never repeated: it may be a page of somebody else's.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return f"{len(content)} bytes that are no JSON"
    errors = body.get("errors", body.get("error", body.get("error_description"))) if isinstance(body, dict) else None
    said: list[str] = []
    if isinstance(errors, dict):
        for name, values in errors.items():
            said += [f"{name} {value}" for value in (values if isinstance(values, list) else [values])]
    elif errors is not None:
        said = [str(value) for value in (errors if isinstance(errors, list) else [errors])]
    return "; ".join(said)[:500] or "no reason given"


def header(response: HttpResponse, name: str) -> str:
    return next((value for key, value in response.headers.items() if key.lower() == name), "")


def is_json(response: HttpResponse) -> bool:
    return "json" in header(response, "content-type").lower()


def retry_after(response: HttpResponse, now: datetime) -> float | None:
    """The seconds Coupa asks us to wait, stated as a number or as a date; None where it names none."""
    return protocol.retry_after(response.headers, now)
