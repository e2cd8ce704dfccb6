"""The whole story in a browser: read to its end, released by two people, sent again; narrow, by keys, in the dark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.house_site import PASSWORD, Site, serving
from browser.test_console import CONTRAST
from components.console.reader import READING
from components.orders.test_requisitions import ordered, wish
from support.clones import Clones
from support.papers import ORDER, invoice, receipt
from support.paying import Treasury, entry, paid_to, stated
from tripartite.core.ids import correlation_of
from tripartite.runtime.http_app import SESSION_COOKIE

pytestmark = pytest.mark.browser
RIGHTS = {
    "ada": (*READING, "payment.propose", "payment.release", "payment.hold", "hold.release", "delivery.replay"),
    "ben": (*READING, "payment.release"),
    "cleo": (*READING, "payment.release"),
    "anna": (*READING, "bank.confirm", "supplier.suspend", "supplier.restore"),
}
STORY = f"/lineage/{correlation_of('DE01', ORDER)}"


class Desks:
    """Each person's browser. What goes wrong in a script or against the content policy is kept."""

    def __init__(self, chromium: Browser, site: Site) -> None:
        self.site, self.troubles = site, []  # type: ignore[var-annotated]
        self._chromium, self._open = chromium, {}  # type: ignore[var-annotated]
        self.sessions: dict[str, str] = {}

    def of(self, name: str) -> Page:
        if name not in self._open:
            caller = self.site.run(lambda: self.site.api.person(name, RIGHTS[name]))
            self.sessions[name] = caller.cookie.partition("=")[2]
            self._open[name] = self.page(name)
        return self._open[name]  # type: ignore[no-any-return]

    def page(self, name: str, **how: object) -> Page:
        context = self._chromium.new_context(viewport={"width": 1440, "height": 900}, **how)  # type: ignore[arg-type]
        context.add_cookies([{"name": SESSION_COOKIE, "value": self.sessions[name], "url": self.site.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)
        return page

    def open(self, name: str, address: str) -> Page:
        page = self.of(name)
        page.goto(self.site.url + address)
        return page


@pytest.fixture(scope="module")
def story(clones: Clones, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    """A requisition, its order and receipt, a posted invoice, and an account of another supplier that nobody trusts."""
    home: Path = tmp_path_factory.mktemp("house")
    with serving(clones, home) as site:

        async def begin() -> None:
            house = site.house
            await house.bring(
                paid_to(names_elsewhere={"sap": "10300001"}), wish(), ordered(ORDER), receipt("GR-1", "10")
            )
            await house.settle()
            await house.bring(invoice(due_on=date(2026, 11, 20)))
            await house.settle()
            await house.bring(paid_to("7", "DE89370400440532013000", names_elsewhere={}))
            newer = paid_to("7", "DE02120300000000202051", names_elsewhere={}, version=2)
            await house.bring(newer)

        site.run(begin)
        desks = Desks(chromium, site)
        yield desks
        assert [each for each in desks.troubles if "422" not in each] == []


def test_a_run_is_drawn_up_by_one_released_by_two_and_found_in_the_bank_statement(story: Desks) -> None:
    ada = story.open("ada", "/payments")
    ada.click("text=Draw up >> nth=-1")
    ada.wait_for_url("**/payments/runs/*")
    run = ada.url.removeprefix(story.site.url)
    expect(ada.locator("#release")).to_contain_text("You proposed it; two others release it.")
    ben = story.open("ben", run)
    ben.click("#release button")
    expect(ben.locator("#release")).to_contain_text("1 of 2 releases given")
    expect(ben.locator("#release button")).to_have_count(0)
    cleo = story.open("cleo", run)
    cleo.click("#release button")
    expect(cleo.locator("#release")).to_contain_text("is owed to the bank")

    async def booked() -> None:
        number = await story.site.house.value("SELECT number FROM payments.payment")
        await Treasury(story.site.house).tell(stated(entry("E-1", "47.60", payment_number=number), number="S-77"))

    story.site.run(booked)
    page = story.open("ada", "/invoices")
    page.click("tbody a.strong")
    page.click("text=From requisition to bank statement")
    expect(page.locator("h1")).to_have_text("From requisition to bank statement")
    expect(page.locator("main")).to_contain_text("S-77")
    page.click("section.chain >> text=S-77")
    expect(page.locator("#bank")).to_contain_text("Bank statement S-77")


def test_a_bank_account_is_refused_with_a_reason_and_a_password(story: Desks) -> None:
    page = story.open("anna", "/suppliers?q=Supplier 7")
    page.click("tbody a.strong")
    page.click("text=Refuse it")
    page.fill("form[action$=refusals] textarea", "nobody there knows of it")
    page.fill("form[action$=refusals] input[type=password]", "not my password")
    page.click("text=Refuse this account")
    expect(page.locator("[role=alert] >> text=This is not your password")).to_be_visible()
    assert page.locator("form[action$=refusals] textarea").input_value() == "nobody there knows of it"
    page.fill("form[action$=refusals] input[type=password]", PASSWORD)
    page.click("text=Refuse this account")
    expect(page.locator("#accounts")).to_contain_text("nobody there knows of it")


def test_a_dead_letter_is_sent_again_from_the_page(story: Desks) -> None:
    async def refuse() -> None:
        house = story.site.house
        house.sap.script.append("reject")
        await house.bring(ordered("4500000002", requisition=""), receipt("GR-2", "10", of="4500000002"))
        await house.settle()
        await house.bring(invoice("RE-2002", of="4500000002"))
        await house.settle()

    story.site.run(refuse)
    page = story.open("ada", "/estate")
    page.click("text=Dead letters")
    expect(page.locator("main")).to_contain_text("Period 10/2026 is closed")
    page.fill("section.letters textarea >> nth=0", "the period is open again")
    page.click("text=Send the chosen ones again")
    expect(page.locator("[role=status]")).to_contain_text("1 went their way again")


PAGES = (
    *("/orders", f"/orders/{ORDER}", "/receipts", "/receipts/GR-1", "/requisitions", "/requisitions/31007", STORY),
    *("/payments", "/payments/runs", "/payments/holds", "/suppliers", "/suppliers/7", "/estate", "/estate/sap"),
    "/estate/dead-letters",
)


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_narrow_on_a_phone_and_readable_in_both_themes(story: Desks, address: str) -> None:
    page = story.open("ada", address)
    expect(page.locator("h1")).to_have_count(1)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.set_viewport_size({"width": 1440, "height": 900})
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, (theme, worst)


def test_keys_lead_to_the_pages_of_documents(story: Desks) -> None:
    page = story.open("ada", "/")
    for key, address in (("o", "/orders"), ("r", "/receipts"), ("p", "/payments"), ("s", "/suppliers")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{story.site.url}{address}")


def test_a_form_acts_and_is_refused_in_words_without_javascript(story: Desks) -> None:
    story.of("ada")
    context_page = story.page("ada", java_script_enabled=False)
    context_page.goto(f"{story.site.url}/payments/holds?object=none")
    context_page.fill("#place input[name=object]", "inv_none")
    context_page.fill("#place textarea", "to be looked at")
    context_page.click("#place button")
    assert "owes nothing under invoice inv_none" in context_page.inner_text("#place")
    assert context_page.input_value("#place textarea") == "to be looked at"
