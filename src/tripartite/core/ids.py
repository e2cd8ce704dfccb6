"""Identities that can be computed: deterministic keys, digests, and the ids port.

The same intent has the same key, so doing it twice does it once. Random or time-ordered ids come from the `Ids` port
that the shell passes in; nothing here draws one.
"""

from __future__ import annotations

import hashlib
from typing import Protocol


class Ids(Protocol):
    """Gives new ids: time-ordered in production, counted from the seed in rehearsal."""

    def new(self, prefix: str) -> str: ...


def digest(data: bytes) -> str:
    """SHA-256 of received bytes, in hex: the name under which they are kept."""
    return hashlib.sha256(data).hexdigest()


def stable_id(prefix: str, *parts: str) -> str:
    """An id that is the same wherever the same parts are known: `inv_` and 26 hex digits of a digest."""
    hashed = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{prefix}_{hashed[:13].hex()}"


def delivery_key(object_id: str, object_version: int, connection: str, operation: str) -> str:
    """The one idempotency key of an outbound write: object, version, target, operation (DESIGN section 7)."""
    return stable_id("dlv", object_id, str(object_version), connection, operation)


def correlation_of(company_code: str, order_number: str) -> str:
    """The correlation id of everything about one order: requisition, order, receipts, invoices, posting, payment.

    Computed and not looked up, so that documents arriving in any order share it.
    """
    return stable_id("c", company_code, order_number)
