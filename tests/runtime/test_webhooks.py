"""Standard Webhooks: genuine and recent, or refused (faults 44 and 45)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tripartite.runtime.protocol import Secret, WebhookRefused
from tripartite.runtime.webhooks import sign_webhook, verify_webhook

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OLD = Secret("whsec_" + "b2xkIHNlY3JldCBvZiAyNCBieXRlcyE=")
BODY = b'{"test": 2432232314}'
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def signed(at: datetime = NOW, *secrets: Secret) -> dict[str, str]:
    return sign_webhook("msg_1", at, BODY, secrets or (SECRET,))


def test_the_published_example_is_signed_the_same() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = sign_webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", at, BODY, [SECRET])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert verify_webhook(headers, BODY, [SECRET], now=at) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_header_names_come_in_any_case_and_signatures_beside_others() -> None:
    headers = {name.title(): value for name, value in signed().items()}
    headers["Webhook-Signature"] = "v1a,AAAA v1,AAAA " + headers["Webhook-Signature"]
    assert verify_webhook(headers, BODY, [SECRET], now=NOW) == "msg_1"


def test_two_secrets_are_valid_while_one_replaces_the_other() -> None:
    both = signed(NOW, OLD, SECRET)
    assert verify_webhook(both, BODY, [SECRET], now=NOW) == verify_webhook(both, BODY, [OLD], now=NOW) == "msg_1"
    assert verify_webhook(signed(NOW, OLD), BODY, [SECRET, OLD], now=NOW) == "msg_1"


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1795510801"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "９"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,\ud800"},
    ],
)
def test_a_forged_webhook_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused) as caught:
        verify_webhook({**signed(), **change}, BODY, [SECRET], now=NOW)
    assert caught.value.reason_code == "intake.signature_invalid"


def test_other_bytes_another_key_or_no_key_are_refused() -> None:
    for body, secrets in ((BODY + b" ", [SECRET]), (BODY, [OLD]), (BODY, [])):
        with pytest.raises(WebhookRefused) as caught:
            verify_webhook(signed(), body, secrets, now=NOW)
        assert caught.value.reason_code == "intake.signature_invalid"


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(300, True), (301, False), (-300, True), (-301, False), (86_400, False)]
)
def test_a_replay_after_five_minutes_is_stale(seconds: int, fresh: bool) -> None:
    headers, now = signed(), NOW + timedelta(seconds=seconds)
    if fresh:
        assert verify_webhook(headers, BODY, [SECRET], now=now) == "msg_1"
        return
    with pytest.raises(WebhookRefused) as caught:
        verify_webhook(headers, BODY, [SECRET], now=now)
    assert caught.value.reason_code == "intake.signature_stale"


def test_an_id_that_could_shift_the_signed_text_is_not_signed() -> None:
    with pytest.raises(ValueError, match="full stop"):
        sign_webhook("a.b", NOW, BODY, [SECRET])


def test_a_secret_that_is_none_is_named_without_its_value() -> None:
    with pytest.raises(ValueError, match="base64") as caught:
        sign_webhook("a", NOW, BODY, [Secret("whsec_not base64!")])
    assert "not base64!" not in str(caught.value)
