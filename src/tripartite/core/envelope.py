"""The envelope of every message on the bus: what happened, to what, because of what.

One event has one past-tense name on the wire, `tripartite.<object>.<past-tense>.v<N>`; one command an imperative.
`correlation_id` ties everything about one transaction; `causation_id` names the message that caused this one.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message. `key` decides the partition and so the order; `payload` is canonical JSON of the object named by
    `type`. `occurred_at` is when it happened in the world, in UTC.
    """

    message_id: str
    type: str
    company_code: str
    key: str
    correlation_id: str
    occurred_at: datetime
    payload: bytes
    causation_id: str = ""
    source: str = ""  # the connection it came from; empty: us
    trace_id: str = ""
