"""Secrets by reference, and nothing of them in any log line (I31)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import structlog

from tripartite.runtime.protocol import Secret
from tripartite.runtime.secrets import SecretMissing, Secrets, mask, redact, remember

IBAN = "DE89370400440532013000"
CANARY = "canary-5c0a8f1e-value"


def logged(**event: Any) -> str:
    out = io.StringIO()
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=[redact, structlog.processors.JSONRenderer()])
    log.info(event.pop("event", "x"), **event)
    return out.getvalue()


def test_a_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text("from the file\n")
    found = Secrets(tmp_path, {"SAP_PASSWORD": "from the environment"})
    assert found.resolve("env:SAP_PASSWORD").reveal() == "from the environment"
    assert found.resolve("file:mounted").reveal() == "from the file"
    assert found.resolve(f"file:{tmp_path / 'mounted'}").reveal() == "from the file"
    both = found.resolve_all({"user": "env:SAP_PASSWORD", "key": "file:mounted"})
    assert {name: secret.reveal() for name, secret in both.items()} == {
        "user": "from the environment",
        "key": "from the file",
    }
    assert "from" not in repr(both)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:MISSING", "env:MISSING"),
        ("env:EMPTY", "env:EMPTY"),
        ("file:missing", "file:missing"),
        ("file:large", "file:large"),
        ("file:binary", "file:binary"),
        ("file:.", "file:."),
        ("env:", "env:"),
    ],
)
def test_a_secret_that_is_not_there_is_named_by_its_reference(tmp_path: Path, reference: str, says: str) -> None:
    (tmp_path / "large").write_text(CANARY * 10_000)
    (tmp_path / "binary").write_bytes(CANARY.encode() + b"\xff")
    with pytest.raises(SecretMissing, match=says.replace(".", r"\.")) as caught:
        Secrets(tmp_path, {"EMPTY": ""}).resolve(reference)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("pasted", ["hunter2-pasted", "vault:hunter2-pasted", "hunter2-pasted:env", ""])
def test_a_value_pasted_where_a_reference_belongs_is_not_repeated(tmp_path: Path, pasted: str) -> None:
    with pytest.raises(SecretMissing) as caught:
        Secrets(tmp_path, {}).resolve(pasted)
    assert "hunter2" not in str(caught.value)


def test_no_known_secret_reaches_a_log_line(tmp_path: Path) -> None:
    secret = Secrets(tmp_path, {"CANARY": CANARY}).resolve("env:CANARY")
    line = logged(
        event=f"call failed with {CANARY}",
        secret_object=secret,
        plain=secret,
        headers={"Authorization": f"Bearer {CANARY}", "Accept": "application/json", "X": [CANARY]},
        deep={"a": {"b": [{"c": CANARY}]}},
        error=ValueError(f"bad {CANARY}"),
    )
    assert CANARY not in line
    assert "application/json" in line
    assert "***" in line


def test_known_secrets_that_hold_one_another_are_masked_whole() -> None:
    remember("inner-value")
    remember("prefix-inner-value-suffix")
    assert mask("x prefix-inner-value-suffix y") == "x *** y"


@pytest.mark.parametrize("name", ["password", "client_secret", "api_key", "Set-Cookie", "access_token", "iban"])
def test_what_is_named_like_a_secret_is_masked_unseen(name: str) -> None:
    assert "some words" not in logged(**{name.lower().replace("-", "_"): "some words"})


@pytest.mark.parametrize(
    "text",
    [
        "tpt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "Basic dXNlcjpwYXNzd29yZA==",
        "bearer eyJhbGciOiJIUzI1NiJ9.e30.abc",
    ],
)
def test_tokens_are_known_by_their_form(text: str) -> None:
    assert text.rsplit(" ", maxsplit=1)[-1] not in logged(event=f"sent {text} to sap")


@pytest.mark.parametrize("written", [IBAN, "DE89 3704 0044 0532 0130 00", "de89370400440532013000"])
def test_an_account_number_is_shown_as_country_and_last_four(written: str) -> None:
    line = logged(event=f"paid to {written}, order PO4500012345")
    assert "DE**3000" in line
    assert "0440532" not in line.replace(" ", "")
    assert "PO4500012345" in line


def test_numbers_that_only_look_like_accounts_stay_readable() -> None:
    text = "invoice RE20 2611 0000 4711 of DE01, delivery ZZ11AAAABBBBCCCC"
    assert mask(text) == text


def test_newline_cannot_forge_a_log_line() -> None:
    line = logged(event='ok\n{"event": "forged"}')
    assert line.count("\n") == 1


def test_numbers_and_flags_pass_and_a_secret_never_prints() -> None:
    line = logged(tokens=3, ok=True, amount="10.00", nothing=None)
    assert '"tokens": 3' in line
    assert '"amount": "10.00"' in line
    assert str(Secret(CANARY)) == repr(Secret(CANARY)) == "Secret(***)"


def test_masking_stays_linear_on_hostile_text() -> None:
    import time

    started = time.process_time()
    for hostile in ("DE89" * 50_000, "DE89 " * 50_000, "tpt_" * 50_000, "bearer " * 50_000, "A1 " * 80_000):
        mask(hostile)
    assert time.process_time() - started < 2.0
