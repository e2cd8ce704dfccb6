"""Standard Webhooks: the signature on what we send to subscribers and on what comes in.

Signed is `id.timestamp.body`, by HMAC-SHA256, over the raw bytes. Two secrets may be valid while one replaces the
other. A message older or newer than five minutes is a replay. Whether its id was seen before is the gateway's to know:
ids are kept for at least four days, the longest retry schedule being three days and a few hours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from tripartite.runtime.protocol import Secret, WebhookRefused

WINDOW_SECONDS = 300
PREFIX = "whsec_"


def sign_webhook(message_id: str, at: datetime, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
    """The three headers of an outgoing webhook, with one signature for each secret (two during a rotation).

    Errors: `ValueError` for a secret that is not base64, or an id with a full stop in it.
    """
    if not message_id or "." in message_id:
        raise ValueError("a webhook's id is not empty and has no full stop")
    seconds = str(int(at.timestamp()))
    signed = _signed(message_id, seconds, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def verify_webhook(headers: Mapping[str, str], body: bytes, secrets: Sequence[Secret], *, now: datetime) -> str:
    """The id of a genuine, recent webhook.

    Errors: `WebhookRefused` with `intake.signature_invalid` or `intake.signature_stale`; the signature is looked at
    first, so that a forger learns nothing about our clock.
    """
    low = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = low.get("webhook-id", ""), low.get("webhook-timestamp", "")
    signed = _signed(message_id, stamp, body)
    given = [part[3:] for part in low.get("webhook-signature", "").split(" ")[:16] if part.startswith("v1,")]
    holds = False
    for secret in secrets:
        expected = _signature(secret, signed).encode()
        for signature in given:
            holds |= hmac.compare_digest(expected, signature.encode("utf-8", "replace"))
    if not holds or not message_id or len(message_id) > 255:
        raise WebhookRefused("intake.signature_invalid", "the signature does not fit the bytes")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise WebhookRefused("intake.signature_invalid", "the timestamp is no number of seconds")
    if abs(now.timestamp() - int(stamp)) > WINDOW_SECONDS:
        raise WebhookRefused("intake.signature_stale", "older than five minutes, or from the future")
    return message_id


def _signed(message_id: str, seconds: str, body: bytes) -> bytes:
    return f"{message_id}.{seconds}.".encode("utf-8", "replace") + body


def _signature(secret: Secret, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is base64 after whsec_") from None
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
