"""The pages: what a reader sees, rendered whole and without JavaScript."""

from __future__ import annotations

import gzip
import re

import pytest
from lxml import html as lxml_html

from components.console.console_bench import Shown, books, console, postgres, worker_id_or_main
from components.console.console_story import HASH, INVOICE_ID, invoice, listed

__all__ = ["books", "console", "postgres", "worker_id_or_main"]

PAGES = (
    "/",
    "/invoices",
    f"/invoices/{INVOICE_ID}",
    f"/invoices/{INVOICE_ID}/document",
    f"/invoices/{INVOICE_ID}/messages",
    f"/invoices/{INVOICE_ID}/history",
    f"/invoices/{INVOICE_ID}/proof",
    "/queue",
    "/estate",
    "/audit",
    "/me",
    "/traces/4bf92f3577b34da6a3ce929d0e0e4736",
)


def words_of(page: str) -> str:
    """What a person reads: the text without markup, white space joined."""
    return re.sub(r"\s+", " ", lxml_html.fromstring(page).text_content())


async def test_every_page_has_one_heading_a_title_landmarks_and_no_inline_script_or_style(console: Shown) -> None:
    await console.sign_in()
    for address in PAGES:
        answer = await console.client.get(address)
        assert answer.status_code == 200, address
        tree = lxml_html.fromstring(answer.text)
        assert len(tree.xpath("//h1")) == 1, address
        assert tree.xpath("//title")[0].text_content().endswith("Tripartite")
        assert len(tree.xpath("//main")) == 1
        assert tree.xpath("//nav[@aria-label]")
        assert tree.xpath("//a[@class='skip' and @href='#main']")
        assert not tree.xpath("//script[not(@src)]"), address
        assert not tree.xpath("//style | //*[@style] | //*[starts-with(name(@*), 'on')]"), address
        assert not [name for node in tree.iter() for name in node.attrib if name.startswith(("on", "hx-on"))]
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "private, no-cache"
        ids = [node.attrib["id"] for node in tree.xpath("//*[@id]")]
        assert len(ids) == len(set(ids)), address


async def test_the_invoice_page_shows_order_receipts_invoice_and_variance_in_words(console: Shown) -> None:
    await console.sign_in()
    page = await console.page(f"/invoices/{INVOICE_ID}")
    text = words_of(page)
    for said in (
        "Aurum Bearings B.V. AB-2026-4471",
        "Held, 2 of 4 lines",
        "EUR 20,139.56",
        "owed by order and receipts 16,232.50",
        "Line 30 bills 60 SET of order PO-18842 line 30; received net is 45",
        "the lower of 2\u00a0% = 153.60 and 1.25 each = 150.00",
        "Decided again by itself with a receipt of these lines or the warehouse's answer",
        "Order price of line 20 becomes 66.90",
        "Decision 2 of 2",
        "asked again in 3\u00a0min, do not post by hand",
        "3 messages not yet applied",
    ):
        assert said.replace("\u00a0", " ") in text.replace("\u00a0", " "), said


async def test_a_held_line_carries_hatch_and_word_not_colour_alone(console: Shown) -> None:
    await console.sign_in()
    tree = lxml_html.fromstring(await console.page(f"/invoices/{INVOICE_ID}"))
    (row,) = tree.xpath("//tr[@id='line-20']")
    assert row.attrib["class"] == "hold"
    assert row.xpath(".//*[local-name()='path' and @class='hatch']")
    (chip,) = row.xpath(".//span[contains(@class, 'chip')]")
    assert chip.text_content().strip() == "Price"
    assert chip.xpath(".//*[local-name()='use' and contains(@href, '#hold')]")
    assert [mark.text_content() for mark in row.xpath(".//mark")] == ["66.90"]
    (bar,) = row.xpath(".//*[local-name()='svg' and @class='bar']")
    assert bar.attrib["aria-label"] == "348 against a limit of 150"


async def test_money_has_its_currencys_decimals_on_every_list(console: Shown) -> None:
    await console.sign_in()
    text = words_of(await console.page("/")).replace("\u00a0", " ")
    assert "JPY 1,200,000" in text
    assert "KWD 12.345" in text
    german = words_of(await console.page("/invoices", **{"accept-language": "de-DE"})).replace("\u00a0", " ")
    assert "EUR 20.139,56" in german
    assert "KWD 12,345" in german


async def test_a_hostile_name_is_text_and_its_hidden_characters_are_seen(console: Shown) -> None:
    await console.sign_in()
    hostile = '<script>alert(1)</script>"onmouseover="x\u202egpj.exe'
    console.owners.answers[f"/v1/invoices/{INVOICE_ID}"] = (200, {**invoice(), "supplier_name": hostile})
    console.owners.answers["/v1/invoices"] = (200, {"items": [listed(supplier_name=hostile)], "next": ""})
    for address in (f"/invoices/{INVOICE_ID}", "/invoices", "/"):
        page = await console.page(address)
        assert "<script>alert" not in page
        assert "\u202e" not in page
        assert "⟨U+202E⟩gpj.exe" in page
        assert not lxml_html.fromstring(page).xpath("//*[@onmouseover]")


async def test_what_the_supplier_sent_is_shown_as_text_beside_what_was_read(console: Shown) -> None:
    await console.sign_in()
    page = await console.page(f"/invoices/{INVOICE_ID}/document")
    tree = lxml_html.fromstring(page)
    (source,) = tree.xpath("//pre[@class='source']")
    assert source.text_content().splitlines()[0] == "<Invoice>"
    assert "&lt;b&gt;" in source.text_content()  # an escape in the document stays that escape
    assert not source.xpath("*")
    assert "As sent, never edited" in words_of(page)
    assert HASH in words_of(page)
    assert "/lines/1/price" in words_of(page)


async def test_an_unknown_outcome_is_shown_with_its_probes(console: Shown) -> None:
    await console.sign_in()
    text = words_of(await console.page(f"/invoices/{INVOICE_ID}/messages"))
    assert "Outcome unknown" in text
    assert "Do not post it by hand." in text
    assert "1 attempt, 1 probe" in text


async def test_the_json_of_a_list_has_the_rows_of_the_page_under_the_same_filter(console: Shown) -> None:
    await console.sign_in()
    address = "?q=state:held+code:match.price_over_limit+aurum"
    tree = lxml_html.fromstring(await console.page("/invoices" + address))
    rows = (await console.client.get("/invoices.json" + address)).json()["items"]
    links = [link.attrib["href"] for link in tree.xpath("//table//a[@class='strong']")]
    assert links == [f"/invoices/{row['invoice_id']}" for row in rows]
    asked = [query for query in console.owners.queries("/v1/invoices") if query.get("limit") == "50"]
    assert asked[0] == asked[1]
    assert asked[0] == {"state": "held", "code": "match.price_over_limit", "q": "aurum", "limit": "50"}
    (json_link,) = tree.xpath("//a[starts-with(@href, '/invoices.json')]")
    assert json_link.attrib["href"].endswith("q=state%3Aheld+code%3Amatch.price_over_limit+aurum")


async def test_the_next_page_is_a_link_that_keeps_the_filter(console: Shown) -> None:
    await console.sign_in()
    console.owners.answers["/v1/invoices"] = (200, {"items": [listed()], "next": "2026-11-19T13:20:18+00:00/inv_7K2"})
    tree = lxml_html.fromstring(await console.page("/invoices?q=state:held"))
    (following,) = tree.xpath("//a[@rel='next']")
    await console.page(following.attrib["href"])
    assert {"state": "held", "after": "2026-11-19T13:20:18+00:00/inv_7K2", "limit": "50"} in console.owners.queries(
        "/v1/invoices"
    )


async def test_the_queue_groups_by_reason_in_the_order_of_money_at_risk(console: Shown) -> None:
    await console.sign_in()
    page = await console.page("/queue")
    tree = lxml_html.fromstring(page)
    heads = [re.sub(r"\s+", " ", node.text_content()) for node in tree.xpath("//summary")]
    assert "1,348.00" in heads[0]
    assert "337.50" in heads[1]
    text = words_of(page).replace("\u00a0", " ")
    assert "4 open exceptions, 2 causes. At risk EUR 1,685.50" in text
    assert "2 more of this cause" in text  # three are open, one was sent along
    assert "AB-2026-4471" in text
    rows = (await console.client.get("/queue.json")).json()["items"]
    shown = tree.xpath("//div[contains(@class, 'member')]//a[@class='strong']")
    assert len(shown) == len(rows) == 2


async def test_a_filter_of_the_queue_counts_what_it_hides(console: Shown) -> None:
    await console.sign_in()
    console.owners.answers["/v1/exceptions"] = (200, {"items": [], "next": ""})
    text = words_of(await console.page("/queue?q=owner:treasury"))
    assert "4 are hidden by owner:treasury" in text
    assert console.owners.queries("/v1/exceptions")[-1]["owner"] == "treasury"


async def test_a_part_that_fails_says_why_and_the_rest_of_the_page_works(console: Shown) -> None:
    await console.sign_in()
    console.owners.answers["/v1/exceptions/causes"] = (
        503,
        {"detail": "The database is away; try again.", "reason_code": "integration.retries_exhausted"},
    )
    text = words_of(await console.page("/"))
    assert "The causes cannot be shown. The database is away; try again. integration.retries_exhausted" in text
    assert "Aurum Bearings B.V." in text


async def test_an_owner_that_does_not_answer_is_a_503_in_words(console: Shown) -> None:
    await console.sign_in()

    async def silent(address: str, cookie: str) -> tuple[int, object]:
        raise ConnectionRefusedError(address)

    console.ports.ask = silent
    answer = await console.client.get("/estate")
    assert answer.status_code == 503
    assert "The component that knows this does not answer." in answer.text


async def test_an_invoice_of_another_company_is_not_found_for_the_reader_too(console: Shown) -> None:
    await console.sign_in()
    answer = await console.client.get("/invoices/inv_theirs")
    assert answer.status_code == 404
    assert "Not found" in answer.text
    assert (await console.client.get("/invoices/inv_theirs/proof")).status_code == 404


async def test_the_owners_are_asked_with_the_readers_own_session(console: Shown) -> None:
    session = await console.sign_in()
    await console.page("/")
    assert console.owners.asked
    assert {cookie for _, cookie in console.owners.asked} == {f"tripartite_session={session}"}


async def test_a_tab_alone_is_sent_where_htmx_asks_for_it(console: Shown) -> None:
    await console.sign_in()
    part = await console.page(f"/invoices/{INVOICE_ID}/history", **{"hx-request": "true", "hx-request-type": "partial"})
    assert "<html" not in part
    assert "More is billed than was received" in part
    whole = await console.page(f"/invoices/{INVOICE_ID}/history", **{"hx-request": "true", "hx-request-type": "full"})
    assert "<html" in whole


async def test_assets_are_served_for_ever_under_the_hash_of_their_content(console: Shown) -> None:
    page = await console.client.get("/login")
    (sheet,) = lxml_html.fromstring(page.text).xpath("//link[@rel='stylesheet'][contains(@href, 'console.')]/@href")
    answer = await console.client.get(sheet)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    for wrong in ("/assets/console.css", "/assets/console.0000000000.css", "/assets/..%2Fapp.py"):
        assert (await console.client.get(wrong)).status_code == 404


async def test_the_pages_are_small(console: Shown) -> None:
    await console.sign_in()
    for address in ("/queue", f"/invoices/{INVOICE_ID}"):
        assert len(gzip.compress((await console.page(address)).encode())) < 30_000


@pytest.mark.parametrize("theme", ["light", "dark", "system"])
async def test_a_chosen_theme_is_in_the_first_byte(console: Shown, theme: str) -> None:
    await console.sign_in()
    console.client.cookies.set("tripartite_theme", theme)
    tree = lxml_html.fromstring(await console.page("/"))
    assert tree.attrib.get("data-bs-theme", "system") == theme


def test_icons_that_are_used_exist() -> None:
    from tripartite.components.console import assets
    from tripartite.components.console.words import Tone

    sprite = assets.load().by_name[assets.load().url("icons.svg").removeprefix("/assets/")].content.decode()
    symbols = set(re.findall(r'<symbol id="([a-z]+)"', sprite))
    assert set(Tone.__args__) <= symbols  # type: ignore[attr-defined]
    for template in assets.resources.files("tripartite.components.console").joinpath("templates").iterdir():
        assert set(re.findall(r"icon\('([a-z]+)'", template.read_text())) <= symbols
