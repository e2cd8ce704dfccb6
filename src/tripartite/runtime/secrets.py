"""Secrets by reference, and logs without them.

`estate.toml` never holds a secret but says where one is: `env:NAME`, a variable of the environment, or `file:path`, the
whole content of a file without its last line end (a mounted secret). What is resolved becomes a `Secret`, which does
not print. `redact` is a structlog processor that masks whatever slips into a log line all the same: `Secret` objects,
values that were resolved here, tokens of ours by their form, account numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from tripartite.runtime.protocol import Secret

MASK = "***"
LARGEST_FILE = 64 * 1024  # bytes; a key file is smaller
SHORTEST_KNOWN = 8  # characters; masking shorter values would mask ordinary words

_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", re.ASCII | re.IGNORECASE)
_TOKEN = re.compile(r"\b(?:tpt|tps|once|whsec)_[A-Za-z0-9_+/=-]{16,}", re.ASCII)
_BEARER = re.compile(r"\b(bearer|basic) [A-Za-z0-9._~+/=-]{8,}", re.ASCII | re.IGNORECASE)
_NAMES = re.compile(r"password|passwd|secret|token|authorization|api_?key|private_?key|cookie|iban", re.IGNORECASE)


class SecretMissing(LookupError):
    """A secret that cannot be had. The message names the reference, never a value."""

    def __init__(self, reference: str, why: str) -> None:
        super().__init__(f"secret {reference}: {why}")
        self.reference = reference
        self.why = why


class Secrets:
    """Resolves references and remembers what it resolved, for the logs' sake.

    `folder`: where relative file references begin (the folder of estate.toml).
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = os.environ if environment is None else environment

    def resolve(self, reference: str) -> Secret:
        """The secret behind `env:NAME` or `file:path`. Errors: `SecretMissing`."""
        kind, _, place = reference.partition(":")
        if kind == "env" and place:
            value = self._environment.get(place)
            if value is None:
                raise SecretMissing(reference, "the variable is not set")
        elif kind == "file" and place:
            value = self._read(reference, place)
        else:
            # Whatever stands here may be a secret that someone pasted in: it is not repeated.
            raise SecretMissing(
                f"{kind}:" if kind in ("env", "file") else "(unreadable)", "write env:NAME or file:path"
            )
        if not value:
            raise SecretMissing(reference, "it is empty")
        remember(value)
        return Secret(value)

    def resolve_all(self, references: Mapping[str, str]) -> dict[str, Secret]:
        """The secrets of a connection, by name. Errors: `SecretMissing` for the first that is not there."""
        return {name: self.resolve(reference) for name, reference in references.items()}

    def _read(self, reference: str, place: str) -> str:
        try:
            with (self._folder / place).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise SecretMissing(reference, error.strerror or "the file cannot be read") from None
        if len(data) > LARGEST_FILE:
            raise SecretMissing(reference, "the file is too large for a secret")
        try:
            return data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise SecretMissing(reference, "the file is not text") from None


_known: dict[str, None] = {}
_pattern: re.Pattern[str] | None = None


def remember(value: str) -> None:
    """Mask this value in every log line from now on."""
    global _pattern  # noqa: PLW0603
    if len(value) >= SHORTEST_KNOWN and value not in _known:
        _known[value] = None
        _pattern = re.compile("|".join(re.escape(each) for each in sorted(_known, key=len, reverse=True)))


def mask(text: str) -> str:
    """`text` without known secrets, tokens and account numbers (an IBAN keeps its country and last four)."""
    if _pattern is not None:
        text = _pattern.sub(MASK, text)
    text = _TOKEN.sub(MASK, text)
    text = _BEARER.sub(lambda found: f"{found[1]} {MASK}", text)
    return _IBAN.sub(_masked_iban, text)


def _masked_iban(found: re.Match[str]) -> str:
    compact = found[0].replace(" ", "").upper()
    if not _is_iban(compact):
        return found[0]
    return f"{compact[:2]}**{compact[-4:]}"


def _is_iban(compact: str) -> bool:
    """Whether the check digits of ISO 13616 hold: an order number that looks like an IBAN stays readable."""
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(mark, 36)) for mark in compact[4:] + compact[:4])) % 97 == 1


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: place it last before the renderer. Newlines are the renderer's to escape."""
    for name, value in event.items():
        event[name] = MASK if _NAMES.search(name) and not isinstance(value, (bool, int)) else _clean(value)
    return event


def _clean(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return mask(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Secret):
        return MASK
    if depth > 8:
        return "..."
    if isinstance(value, Mapping):
        return {
            str(name): MASK if _NAMES.search(str(name)) else _clean(inner, depth + 1) for name, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(inner, depth + 1) for inner in value]
    return mask(str(value))
