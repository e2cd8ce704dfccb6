"""The bad inputs of JSON and HTTP, each by its number, through the door: refused with the stated code, bytes kept."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import pytest_asyncio

from support.api import Api
from support.caller import Answer, Caller
from support.papers import invoice
from tripartite.core import codec
from tripartite.core.ids import digest

PATH = "/v1/invoices"
SECONDS = 0.75  # of the whole call, on a busy machine; the decoder's own share is far below a quarter second


@pytest_asyncio.fixture
async def api(shared_api: Api) -> Api:
    return shared_api


@pytest_asyncio.fixture
async def caller(api: Api) -> Caller:
    return await api.caller()


def plain(**changes: Any) -> dict[str, Any]:
    return {**json.loads(codec.encode(invoice())), **changes}


def body(**changes: Any) -> bytes:
    return json.dumps(plain(**changes), ensure_ascii=False).encode()


async def refused(api: Api, caller: Caller, content: bytes, code: str) -> Answer:
    """The invoice is refused with this code, quickly; nothing is decided; its bytes come back by digest."""
    started = time.perf_counter()
    answer = await caller.post(PATH, content)
    seconds = time.perf_counter() - started
    said = answer.json()
    assert said["reason_code"] == code, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert 400 <= answer.status < 500
    assert seconds < SECONDS
    assert b"Traceback" not in answer.body
    await api.house.pump()
    named = digest(content)
    assert await api.house.value("SELECT count(*) FROM invoices.invoice WHERE digest = %s", named) == 0
    kept = await caller.get(f"/v1/raw/{named}")
    assert kept.status == 200
    assert kept.body == content
    rows = await api.house.rows("SELECT disposition, reason_code FROM gateway.intake WHERE digest = %s", named)
    assert rows == [("rejected", code)]
    return answer


async def test_amount_nan_is_refused(api: Api, caller: Caller) -> None:  # 1
    await refused(api, caller, body(gross="NaN"), "intake.amount_invalid")


async def test_amount_infinity_is_refused(api: Api, caller: Caller) -> None:  # 2
    await refused(api, caller, body(gross="Infinity"), "intake.amount_invalid")


async def test_amount_signalling_nan_is_refused(api: Api, caller: Caller) -> None:  # 3
    await refused(api, caller, body(gross="sNaN"), "intake.amount_invalid")


async def test_amount_with_exponent_is_refused(api: Api, caller: Caller) -> None:  # 4
    await refused(api, caller, body(gross="1E+1000000"), "intake.amount_invalid")


async def test_amount_minus_zero_is_refused(api: Api, caller: Caller) -> None:  # 6
    await refused(api, caller, body(gross="-0"), "intake.amount_invalid")


async def test_amount_with_underscore_is_refused(api: Api, caller: Caller) -> None:  # 7
    await refused(api, caller, body(gross="1_000"), "intake.amount_invalid")


async def test_amount_with_spaces_is_refused(api: Api, caller: Caller) -> None:  # 8
    await refused(api, caller, body(gross=" 12 "), "intake.amount_invalid")


async def test_amount_in_full_width_digits_is_refused(api: Api, caller: Caller) -> None:  # 9
    await refused(api, caller, body(gross="１２３"), "intake.amount_invalid")


async def test_amount_in_arabic_digits_is_refused(api: Api, caller: Caller) -> None:  # 10
    await refused(api, caller, body(gross="١٢٣"), "intake.amount_invalid")


async def test_amount_of_a_million_digits_is_refused_quickly(api: Api, caller: Caller) -> None:  # 11
    await refused(api, caller, body(gross="9" * 1_000_000), "intake.amount_invalid")


async def test_amount_finer_than_its_currency_is_refused(api: Api, caller: Caller) -> None:  # 12
    await refused(api, caller, body(gross="47.601"), "intake.amount_invalid")


@pytest.mark.parametrize("place", ["line", "charge", "tax"])
async def test_amount_finer_than_its_currency_is_refused_wherever_it_stands(
    api: Api, caller: Caller, place: str
) -> None:
    whole = plain()
    if place == "line":
        whole["lines"][0]["amount"] = "40.001"
    elif place == "tax":
        whole["taxes"][0]["amount"] = "7.601"
    else:
        whole["charges"] = [{"amount": "1.005", "kind": "freight"}]
    await refused(api, caller, json.dumps(whole).encode(), "intake.amount_invalid")


async def test_yen_have_no_decimals_and_dinars_have_three(api: Api, caller: Caller) -> None:
    yen = await caller.post(PATH, body(number="Y-1", currency="JPY", gross="47.6", net="40", tax="7.6"))
    assert yen.json()["reason_code"] == "intake.amount_invalid"
    dinars = await caller.post(PATH, body(number="K-1", currency="KWD", gross="47.605", net="40.000", tax="7.605"))
    assert (dinars.status, dinars.json()["disposition"]) == (202, "applied")


async def test_number_beyond_float_is_refused(api: Api, caller: Caller) -> None:  # 5
    await refused(api, caller, body().replace(b'"gross": "47.60"', b'"gross": 1e400'), "intake.amount_invalid")


@pytest.mark.parametrize("number", [b"47.60", b"47", b"-0.0"])
async def test_amount_as_json_number_is_refused(api: Api, caller: Caller, number: bytes) -> None:  # 13
    await refused(api, caller, body().replace(b'"gross": "47.60"', b'"gross": ' + number), "intake.amount_invalid")


async def test_duplicate_keys_are_refused(api: Api, caller: Caller) -> None:  # 14
    content = body().replace(b'"gross": "47.60"', b'"gross": "1.00", "gross": "47.60"')
    await refused(api, caller, content, "intake.duplicate_key")


@pytest.mark.parametrize("place", ["document", "line"])
async def test_unknown_field_in_command_is_refused(api: Api, caller: Caller, place: str) -> None:  # 15
    whole = plain()
    (whole if place == "document" else whole["lines"][0])["is_admin"] = True
    answer = await refused(api, caller, json.dumps(whole).encode(), "intake.field_unknown")
    assert answer.json()["pointer"] == ("/is_admin" if place == "document" else "/lines/0/is_admin")


async def test_deep_array_is_refused(api: Api, caller: Caller) -> None:  # 16
    deep = b"[" * 100_000 + b"]" * 100_000
    await refused(api, caller, body().replace(b'"gross"', b'"notes": ' + deep + b', "gross"'), "intake.too_large")


async def test_deep_array_alone_is_refused(api: Api, caller: Caller) -> None:  # 16
    started = time.perf_counter()
    answer = await caller.post(PATH, b"[" * 100_000 + b"]" * 100_000)
    assert time.perf_counter() - started < SECONDS
    assert b"intake.too_large" in answer.body


async def test_lone_surrogate_is_refused(api: Api, caller: Caller) -> None:  # 17
    await refused(api, caller, body().replace(b"RE-1001", b"RE-\\ud800"), "intake.malformed")


@pytest.mark.parametrize("nul", [b"\\u0000", b"\x00"])
async def test_nul_in_text_is_refused(api: Api, caller: Caller, nul: bytes) -> None:  # 18
    await refused(api, caller, body().replace(b"RE-1001", b"RE-" + nul), "intake.malformed")


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80"])
async def test_invalid_utf8_is_refused(api: Api, caller: Caller, wrong: bytes) -> None:  # 19
    await refused(api, caller, body().replace(b"RE-1001", b"RE-" + wrong), "intake.malformed")


async def test_byte_order_mark_in_json_is_refused(api: Api, caller: Caller) -> None:  # 20
    await refused(api, caller, b"\xef\xbb\xbf" + body(), "intake.malformed")


@pytest.mark.parametrize("trailing", [b"{}", b"x", b"\x1a"])
async def test_trailing_bytes_are_refused(api: Api, caller: Caller, trailing: bytes) -> None:  # 21
    await refused(api, caller, body() + trailing, "intake.malformed")


async def test_huge_integer_is_refused(api: Api, caller: Caller) -> None:  # 22
    content = body().replace(b'"order_line": 10', b'"order_line": ' + b"9" * 5000)
    assert content != body()
    await refused(api, caller, content, "intake.too_large")


@pytest.mark.parametrize("currency", ["XXX", "eur", "EURO", "", "BTC", "E\u216b"])
async def test_unknown_currency_is_refused(api: Api, caller: Caller, currency: str) -> None:  # 26
    await refused(api, caller, body(currency=currency), "intake.value_out_of_range")


@pytest.mark.parametrize("day", ["0000-00-00", "2026-02-30", "20261116", "16.11.2026"])
async def test_impossible_dates_are_refused(api: Api, caller: Caller, day: str) -> None:  # 25, the refused half
    await refused(api, caller, body(issued_on=day), "intake.value_out_of_range")


async def test_too_many_lines_are_refused(api: Api, caller: Caller) -> None:  # 27
    content = body().replace(b'"lines": [', b'"lines": [' + b'{"line":1},' * 100_001)
    answer = await caller.post(PATH, content)
    assert answer.json()["reason_code"] == "intake.too_large"
    assert (await caller.get(f"/v1/raw/{digest(content)}")).body == content


async def test_two_body_lengths_are_refused(api: Api, caller: Caller) -> None:  # 29
    answer = await caller.post(PATH, body(), headers=[("transfer-encoding", "chunked")])
    assert (answer.status, answer.json()["reason_code"]) == (400, "intake.ambiguous")
    assert await api.house.value("SELECT count(*) FROM gateway.intake WHERE digest = %s", digest(body())) == 0


@pytest.mark.parametrize(
    "headers",
    [
        [("idempotency-key", "one"), ("idempotency-key", "two")],
        [("idempotency-key", "one"), ("idempotency-key", "one")],
        [("idempotency-key", "k" * 256)],
        [("idempotency-key", "one\ntwo")],
        [("idempotency-key", "")],
        [("idempotency-key", "schlüssel")],
    ],
    ids=["two", "the same twice", "256 characters", "a newline", "empty", "not ASCII"],
)
async def test_odd_idempotency_keys_are_refused(api: Api, caller: Caller, headers: list[tuple[str, str]]) -> None:  # 30
    answer = await caller.post(PATH, body(), headers=headers)
    assert (answer.status, answer.json()["reason_code"]) == (400, "intake.key_invalid")
    assert await api.house.value("SELECT count(*) FROM gateway.intake WHERE digest = %s", digest(body())) == 0


async def test_reused_key_with_other_body_is_refused(api: Api, caller: Caller) -> None:  # 31
    key = [("idempotency-key", "k-1")]
    first = await caller.post(PATH, body(number="RE-K"), headers=key)
    again = await caller.post(PATH, body(number="RE-K"), headers=key)
    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = await caller.post(PATH, body(number="RE-2"), headers=key)
    assert (other.status, other.json()["reason_code"]) == (409, "intake.key_reused")
    numbers = "SELECT count(*) FROM gateway.intake WHERE object_key IN ('RE-K', 'RE-2')"
    assert await api.house.value(numbers) == 1


@pytest.mark.parametrize(
    "path", ["/v1/intake/..%2fraw", "/v1/intake/%252e%252e%252f", "/v1/intake/..%5c", "/v1/raw/..%2f..%2fetc%2fpasswd"]
)
async def test_encoded_path_does_not_escape(api: Api, caller: Caller, path: str) -> None:  # 32
    answer = await (caller.get(path) if "raw" in path[4:7] else caller.post(path, b"<x/>", "application/xml"))
    assert (answer.status, answer.json()["reason_code"]) == (404, "access.not_found")


@pytest.mark.parametrize(
    ("media", "content"),
    [("application/xml", b"<Invoice/>"), ("text/plain", body()), ("", body()), ("application/json", b"<Invoice/>")],
    ids=["declared XML", "declared text", "not declared", "XML declared JSON"],
)
async def test_wrong_content_type_is_refused(api: Api, caller: Caller, media: str, content: bytes) -> None:  # 33
    answer = await caller.post(PATH, content, media)
    assert (answer.status, answer.json()["reason_code"]) == (415, "intake.type_not_supported")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, gzip"])
async def test_gzip_bomb_is_refused(api: Api, caller: Caller, encoding: str) -> None:  # 28
    """A body in another coding is never inflated here; a compressed file comes as a file, under its own limits."""
    import gzip

    bomb = gzip.compress(b"0" * 50_000_000)
    answer = await caller.post(PATH, bomb, headers=[("content-encoding", encoding)])
    assert answer.status in (413, 415)
    assert answer.json()["reason_code"] in ("intake.too_large", "intake.type_not_supported")


async def test_a_body_over_the_limit_is_refused_before_it_is_read(api: Api, caller: Caller) -> None:
    answer = await caller.call(
        "POST", PATH, headers=[("content-type", "application/json"), ("content-length", str(10**12))], chunks=[b"{}"]
    )
    assert (answer.status, answer.json()["reason_code"]) == (413, "intake.too_large")


async def stays_text(api: Api, caller: Caller, text: str) -> None:
    """Kept as it came, in every text field, and shown as data."""
    whole = plain(number=text, payment_terms=text, notes=[text], order_numbers=[text], supplier_number=text)
    whole["lines"][0] |= {"description": text, "order_number": text, "item": text, "note": text, "cost_centre": text}
    content = json.dumps(whole).encode()
    answer = await caller.post(PATH, content)
    assert answer.status == 202, answer
    await api.house.pump()
    found = [item for item in (await caller.get(f"{PATH}?limit=200")).json()["items"] if item["number"] == text]
    assert len(found) == 1
    one = (await caller.get(f"{PATH}/{found[0]['invoice_id']}")).json()
    assert one["content"]["notes"] == [text]
    assert one["content"]["lines"][0]["description"] == text
    listed = await caller.get(f"{PATH}?q=%27%3B%20DROP%20TABLE%20x%3B%20--")
    assert listed.status == 200
    assert await api.house.value("SELECT count(*) FROM invoices.invoice WHERE number = %s", text) == 1
    assert (await caller.get(f"/v1/raw/{digest(content)}")).body == content


async def test_sql_in_text_stays_text(api: Api, caller: Caller) -> None:  # 42
    await stays_text(api, caller, "'; DROP TABLE invoices.invoice; --")


async def test_script_in_text_stays_text(api: Api, caller: Caller) -> None:  # 43
    await stays_text(api, caller, "<script>alert(1)</script><img src=x onerror=alert(2)>")


async def test_template_syntax_stays_text(api: Api, caller: Caller) -> None:  # 46
    await stays_text(api, caller, "{{7*7}} ${7*7} <%= 7*7 %>")


async def test_newline_cannot_forge_a_log_line(
    api: Api, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:  # 47
    await stays_text(api, caller, "RE\n2026-11-20 INFO paid 1,000,000.00")
    assert not any(line.startswith("2026-11-20 INFO paid") for line in caplog.text.splitlines())


async def test_bidi_override_is_kept_as_it_came(api: Api, caller: Caller) -> None:  # 37, the kept half
    await stays_text(api, caller, "RE-\u202e1001")


async def test_one_bad_item_of_a_bulk_stops_no_other(api: Api, caller: Caller) -> None:
    items = [
        plain(number="B-1"),
        plain(number="B-2", gross="NaN"),
        plain(number="B-3"),
        plain(number="B-4", currency="X"),
    ]
    answer = await caller.post(PATH, json.dumps(items).encode())
    assert answer.status == 202
    said = [(item["disposition"], item.get("reason_code", "")) for item in answer.json()["items"]]
    assert said == [
        ("applied", ""),
        ("rejected", "intake.amount_invalid"),
        ("applied", ""),
        ("rejected", "intake.value_out_of_range"),
    ]
    await api.house.pump()
    found = await api.house.rows("SELECT number FROM invoices.invoice WHERE number LIKE 'B-%%' ORDER BY 1")
    assert found == [("B-1",), ("B-3",)]


async def test_a_refused_document_sent_again_is_refused_again(api: Api, caller: Caller) -> None:
    """Neither the twin nor the replay of a key turns a refusal into a receipt."""
    content = body(number="R-1", gross="NaN")
    key = [("idempotency-key", "k-refused")]
    answers = [await caller.post(PATH, content, headers=headers) for headers in ((), (), key, key)]
    assert [(each.status, each.json()["reason_code"]) for each in answers] == [(422, "intake.amount_invalid")] * 4
