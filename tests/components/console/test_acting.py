"""Acting from the console: what is locked says why, a link never acts, and the owner's own sentence is shown."""

from __future__ import annotations

from lxml import html as lxml_html

from components.console.console_bench import Shown, books, console, postgres, worker_id_or_main
from components.console.console_story import INVOICE_ID, RIGHTS, invoice

__all__ = ["books", "console", "postgres", "worker_id_or_main"]

BUYER = (*RIGHTS, "hold.release", "invoice.refuse", "exception.work", "role.buyer")


def open_for(role: str) -> str:
    """The id of an open exception that this team owns and may release."""
    return next(
        str(each["exception_id"])
        for each in invoice()["exceptions"]
        if each["state"] == "open" and each["owner_role"] == role and each.get("release") != "no"
    )


async def test_an_act_that_is_not_the_readers_is_locked_and_says_why(console: Shown) -> None:
    await console.sign_in()
    tree = lxml_html.fromstring(await console.page(f"/invoices/{INVOICE_ID}"))
    locked = tree.xpath("//a[contains(@class, 'locked')]")
    assert locked
    assert all("right" in each.attrib["title"] for each in locked)
    page = lxml_html.fromstring(await console.page(locked[0].attrib["href"]))
    assert not page.xpath("//main//form"), "there is nothing to post"
    assert "which you do not have" in page.xpath("//main")[0].text_content()


async def test_a_release_is_posted_with_its_reason_the_version_seen_and_a_key(console: Shown) -> None:
    await console.sign_in("bea", BUYER)
    record = open_for("buyer")
    address = f"/invoices/{INVOICE_ID}/exceptions/{record}/release"
    form = lxml_html.fromstring(await console.page(address)).xpath("//main//form")[0]
    assert console.owners.told == [], "looking does not act"
    fields = {each.attrib["name"]: each.attrib["value"] for each in form.xpath(".//input")}
    api = f"/v1/invoices/{INVOICE_ID}/exceptions/{record}/release"
    console.owners.answers[api] = (200, {"what": "released"})
    answer = await console.client.post(address, data={**fields, "why": "agreed by telephone"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/invoices/{INVOICE_ID}")
    [(where, told, key)] = console.owners.told
    assert (where, told["why"], key) == (api, "agreed by telephone", fields["key"])
    assert told["content_hash"] == fields["content_hash"]
    assert fields["key"]


async def test_what_the_owner_refuses_is_said_in_its_words_and_nothing_typed_is_lost(console: Shown) -> None:
    await console.sign_in("bea", BUYER)
    record = open_for("buyer")
    address = f"/invoices/{INVOICE_ID}/exceptions/{record}/release"
    form = lxml_html.fromstring(await console.page(address)).xpath("//main//form")[0]
    fields = {each.attrib["name"]: each.attrib["value"] for each in form.xpath(".//input")}
    words = "685.50 EUR are at risk; Mira Roth may release 500.00."
    problem = {"detail": words, "reason_code": "control.override_over_limit"}
    console.owners.answers[f"/v1/invoices/{INVOICE_ID}/exceptions/{record}/release"] = (403, problem)
    answer = await console.client.post(address, data={**fields, "why": "it is urgent"})
    assert answer.status_code == 422
    page = lxml_html.fromstring(answer.text)
    assert words in page.xpath("//p[@role='alert']")[0].text_content()
    assert page.xpath("//textarea")[0].text == "it is urgent"


async def test_a_form_of_another_session_or_site_does_nothing(console: Shown) -> None:
    await console.sign_in("bea", BUYER)
    address = f"/invoices/{INVOICE_ID}/exceptions/{open_for('buyer')}/release"
    answer = await console.client.post(address, data={"csrf": "forged", "why": "x"})
    assert answer.status_code == 403
    answer = await console.client.post(address, data={"csrf": "x"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert console.owners.told == []
