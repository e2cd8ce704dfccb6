"""A console on a real port with owners on the bench, and Debian's Chromium. Run by `make test-browser`."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser, Page, sync_playwright

from components.console.console_bench import Owners, Shown
from components.console.console_story import NOW, RIGHTS
from runtime.audit_bench import AUTH, CLOCK, Books, postgres, worker_id_or_main
from tripartite.components.console.app import component
from tripartite.runtime.audit import MIGRATIONS
from tripartite.runtime.auth import LoggedIn, log_in
from tripartite.runtime.db import Database, migrate
from tripartite.runtime.http_app import SESSION_COOKIE, Authenticator, build_app
from tripartite.runtime.postgres import OWNER, WORKER, EmbeddedPostgres

__all__ = ["postgres", "worker_id_or_main"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Debian's Chromium; run by `pytest -m browser tests/browser`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Left out unless asked for by `-m browser`: the other tests need no browser on the machine."""
    if "browser" in (config.option.markexpr or ""):
        return
    left_out = [item for item in items if item.get_closest_marker("browser")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


PASSWORD = "the quiet harbour at dawn"


class Site:
    """Where the console is, the session of a reader, and the owners whose answers can be changed."""

    def __init__(self, url: str, session: str, owners: Owners) -> None:
        self.url, self.session, self.owners = url, session, owners


def _free_port() -> int:
    for port in range(24_000, 32_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError("no free port between 24000 and 32000")


@pytest.fixture(scope="session")
def site(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """The console, served by the production server in a thread of its own."""
    worker = postgres.create_database("browser")
    migrate(
        postgres.url(OWNER).replace("dbname=tripartite ", "dbname=browser "), [CLOCK, MIGRATIONS, AUTH], grant_to=WORKER
    )
    owners, port = Owners(), _free_port()
    ready, over = threading.Event(), asyncio.Event()
    found: dict[str, Any] = {}

    async def serve() -> None:
        database = Database(worker, size=4)
        await database.open()
        company = SimpleNamespace(time_zone="Europe/Berlin")
        ports: Any = SimpleNamespace(
            db=database,
            estate=SimpleNamespace(name="norddal", environment="development", companies=[company]),
            ask=owners.ask,
            clock=SimpleNamespace(now=lambda: NOW),
        )
        await Shown(ports, None, owners, Books(database, "")).account("mira", RIGHTS, PASSWORD)  # type: ignore[arg-type]
        let_in = await log_in(database, "mira", PASSWORD)
        assert isinstance(let_in, LoggedIn)
        found.update(session=let_in.session.reveal(), loop=asyncio.get_running_loop())
        app = build_app(component.routes(ports), Authenticator(database), version="0")
        server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
        serving = asyncio.create_task(server.serve())
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            except OSError:
                await asyncio.sleep(0.02)
        ready.set()
        await over.wait()
        server.stop()
        serving.cancel()
        await database.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30), "the console does not listen"
    yield Site(f"http://127.0.0.1:{port}", found["session"], owners)
    found["loop"].call_soon_threadsafe(over.set)
    thread.join(10)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    place = shutil.which("chromium")
    assert place, "these tests need Debian's Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page of a signed-in reader. `troubles` are errors of scripts and of the content policy."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url, self.troubles = page, url, []  # type: ignore[var-annotated]
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)

    def go(self, address: str) -> Page:
        self.page.goto(self.url + address)
        return self.page


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def scripted(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "with JavaScript")


@pytest.fixture
def opened(chromium: Browser, site: Site) -> Iterator[Opened]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": SESSION_COOKIE, "value": site.session, "url": site.url}])
    yield Opened(context.new_page(), site.url)
    context.close()


@pytest.fixture
def plain(chromium: Browser, site: Site, scripted: bool) -> Iterator[Opened]:
    context = chromium.new_context(java_script_enabled=scripted)
    yield Opened(context.new_page(), site.url)
    context.close()
