"""Signing in and out: a real account on the real database, the pages and their forms, and what they refuse."""

from __future__ import annotations

import pytest
from lxml import html as lxml_html

from components.console.console_bench import Shown, books, console, postgres, worker_id_or_main
from components.console.console_story import INVOICE_ID, RIGHTS
from tripartite.components.console.visit import safe_next
from tripartite.runtime.http_app import SESSION_COOKIE

__all__ = ["books", "console", "postgres", "worker_id_or_main"]

GOOD = "the quiet harbour at dawn"


async def post(console: Shown, address: str, origin: str = "http://console.test", **fields: str) -> object:
    return await console.client.post(address, data=fields, headers={"origin": origin} if origin else {})


def csrf_of(page: str) -> str:
    return str(lxml_html.fromstring(page).xpath("//input[@name='csrf']/@value")[0])


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_comes_back(console: Shown) -> None:
    answer = await console.client.get("/invoices?q=state:held")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Finvoices%3Fq%3Dstate%3Aheld"
    assert console.owners.asked == []
    await console.account(password=GOOD)
    page = await console.client.get(answer.headers["location"])
    (wanted,) = lxml_html.fromstring(page.text).xpath("//input[@name='next']/@value")
    let_in = await post(console, "/login", name="mira", password=GOOD, next=wanted)
    assert let_in.status_code == 303
    assert let_in.headers["location"] == "/invoices?q=state:held"


async def test_a_one_time_password_has_to_be_replaced_before_anything_else(console: Shown) -> None:
    once = await console.account()
    let_in = await post(console, "/login", name="mira", password=once)
    assert let_in.headers["location"] == "/login/password"
    cookie = let_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    for address in ("/", f"/invoices/{INVOICE_ID}"):
        assert (await console.client.get(address)).headers["location"] == "/login/password"
    assert (await console.client.get("/invoices.json")).status_code == 403
    assert console.owners.asked == []
    page = await console.client.get("/login/password")
    fields = {"csrf": csrf_of(page.text), "old": once}
    refused = await post(console, "/login/password", **fields, new="short", again="short")
    assert refused.status_code == 422
    assert "at least 12 characters" in refused.text
    differ = await post(console, "/login/password", **fields, new=GOOD, again=GOOD + "!")
    assert "The two new passwords differ." in differ.text
    assert GOOD not in differ.text
    chosen = await post(console, "/login/password", **fields, new=GOOD, again=GOOD)
    assert chosen.status_code == 303
    assert "Overview" in await console.page("/")


async def test_a_wrong_password_and_an_unknown_name_look_the_same(console: Shown) -> None:
    await console.account(password=GOOD)
    wrong = await post(console, "/login", name="mira", password="not the pass phrase")
    nobody = await post(console, "/login", name="nobody", password="not the pass phrase")
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.text.replace("mira", "nobody") == nobody.text
    assert "set-cookie" not in wrong.headers
    assert "not the pass phrase" not in wrong.text


async def test_guessing_is_slowed_down_in_words(console: Shown) -> None:
    await console.account(password=GOOD)
    for _ in range(5):
        await post(console, "/login", name="mira", password="a guess a guess")
    late = await post(console, "/login", name="mira", password=GOOD)
    assert late.status_code == 429
    assert "Too many attempts. Come again in" in late.text


async def test_signing_out_ends_the_session_on_the_server(console: Shown) -> None:
    session = await console.sign_in()
    page = await console.page("/me")
    gone = await post(console, "/logout", csrf=csrf_of(page))
    assert gone.headers["location"] == "/login"
    console.client.cookies.set(SESSION_COOKIE, session)
    assert (await console.client.get("/")).headers["location"] == "/login"


@pytest.mark.parametrize("address", ["/logout", "/me/settings", "/login/password"])
async def test_a_form_without_the_sessions_token_or_from_another_site_does_nothing(
    console: Shown, address: str
) -> None:
    await console.sign_in()
    csrf = csrf_of(await console.page("/me"))
    assert (await post(console, address, csrf="")).status_code == 403
    assert (await post(console, address, csrf="0" * 64)).status_code == 403
    assert (await post(console, address, origin="http://evil.test", csrf=csrf)).status_code == 403
    assert (await post(console, address, origin="null", csrf=csrf)).status_code == 403
    assert "Overview" in await console.page("/")


async def test_another_site_cannot_sign_a_browser_in(console: Shown) -> None:
    await console.account(password=GOOD)
    answer = await post(console, "/login", origin="http://evil.test", name="mira", password=GOOD)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    crossed = await console.client.post(
        "/login", data={"name": "mira", "password": GOOD}, headers={"sec-fetch-site": "cross-site"}
    )
    assert crossed.status_code == 403


async def test_a_form_that_is_none_or_too_large_is_refused_before_anything_is_looked_up(console: Shown) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}

    for content, status in ((b"a=" + b"x" * 20_000, 413), (b"&".join([b"a=1"] * 100), 400), (b"name=\xff\xfe", 400)):
        assert (await console.client.post("/login", content=content, headers=headers)).status_code == status


async def test_settings_are_kept_and_wrong_ones_are_not(console: Shown) -> None:
    await console.sign_in()
    csrf = csrf_of(await console.page("/me"))
    kept = await post(console, "/me/settings", csrf=csrf, theme="dark", digits="de", zone="Asia/Tokyo", keys="off")
    assert kept.status_code == 303
    page = await console.page("/")
    tree = lxml_html.fromstring(page)
    assert tree.attrib["data-bs-theme"] == "dark"
    assert tree.xpath("//body/@data-keys") == ["off"]
    assert "17:41:12 JST" in page
    wrong = await post(
        console, "/me/settings", csrf=csrf, theme="neon", zone="Mars", next="https://evil.test/", digits="../"
    )
    assert wrong.headers["location"] == "/"
    assert "set-cookie" not in wrong.headers


async def test_without_the_right_to_read_the_console_there_is_a_sentence(console: Shown) -> None:
    await console.sign_in("clerk", tuple(right for right in RIGHTS if right != "console.read"))
    answer = await console.client.get("/")
    assert answer.status_code == 403
    assert "it takes the permission &#39;console.read&#39;" in answer.text
    assert (await console.client.get("/queue.json")).status_code == 403
    assert console.owners.asked == []


async def test_machines_asking_for_json_are_not_sent_to_a_form(console: Shown) -> None:
    answer = await console.client.get("/invoices.json")
    assert answer.status_code == 401
    assert answer.json()["reason_code"] == "access.not_permitted"


async def test_a_session_that_ended_sends_the_whole_window_to_sign_in(console: Shown) -> None:
    answer = await console.client.get("/queue", headers={"hx-request": "true", "hx-request-type": "partial"})
    assert answer.status_code == 200
    assert answer.headers["hx-redirect"] == "/login?next=%2Fqueue"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("/invoices?q=state:held", "/invoices?q=state:held"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/\\evil.test/", "/"),
        ("/a\\b", "/"),
        ("/a\r\nset-cookie: x=1", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_to_our_own_pages_only(given: str, used: str) -> None:
    assert safe_next(given) == used
