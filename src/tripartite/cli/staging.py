"""The stage of the demo: the simulated estate of the reference story, with the real product in between.

The simulators run in a process of their own and speak the vendors' protocols over HTTP; Tripartite runs here with its
database, bus, deliveries and console.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

import msgspec

from tripartite.cli.estate import baseline_files
from tripartite.cli.running import Running, load
from tripartite.core.estate import Estate
from tripartite.rehearsal.people import Person, sign_in
from tripartite.rehearsal.scenario import Story
from tripartite.rehearsal.simulators import Spec
from tripartite.rehearsal.treasury import Desk
from tripartite.rehearsal.vendors import Vendors
from tripartite.runtime.auth import create_account, create_token
from tripartite.runtime.db import Database
from tripartite.runtime.postgres import EmbeddedPostgres
from tripartite.runtime.settings import Settings

KINDS = ("coupa", "capture", "sap_s4hana", "warehouse", "avalara", "iso20022_bank")
PAYING = (("DE01", "EUR"), ("DE01", "USD"), ("PL02", "PLN"))
BALANCES = {
    "DE89370400440532013000": "900000000.00",
    "DE62370400440532013001": "900000000.00",
    "PL61109010140000071219812874": "900000000.00",
}
MACHINE = (
    "supplier.write",
    "intake.write",
    "intake.read",
    "invoice.write",
    "invoice.read",
    "exception.read",
    "lineage.read",
)
PERSON = (
    *("console.read", "invoice.read", "order.read", "receipt.read", "supplier.read", "exception.read", "intake.read"),
    *("lineage.read", "delivery.read", "estate.read", "trace.read", "audit.read", "raw.read", "payment.read"),
    *("requisition.read", "approval.read", "budget.read", "delivery.replay"),
    # The demo's reader acts for accounts payable and the buyers, within what the policy lets these teams release.
    *("hold.release", "invoice.short_pay", "approval.decide", "invoice.refuse"),
    *("exception.work", "exception.refuse", "role.ap", "role.buyer"),
)
# The treasury: one proposes, others release, and whoever looks into a return does neither (controls: duties apart).
_LOOKS = ("console.read", "payment.read", "invoice.read", "supplier.read", "lineage.read")
PROPOSER = (*_LOOKS, "payment.propose")
RELEASER = (*_LOOKS, "payment.release")
CLERK = (*_LOOKS, "hold.release", "role.treasury")
SECRETS = {
    "TRIPARTITE_COUPA_CLIENT_ID": "coupa-client",
    "TRIPARTITE_COUPA_CLIENT_SECRET": "coupa-secret",
    "TRIPARTITE_CAPTURE_CLIENT_ID": "tripartite",
    "TRIPARTITE_CAPTURE_CLIENT_SECRET": "capture-secret",
    "TRIPARTITE_CAPTURE_WEBHOOK_SECRET": "demo-webhook-secret",
    "TRIPARTITE_SAP_PASSWORD": "bench",
    "TRIPARTITE_WAREHOUSE_CLIENT_ID": "tripartite",
    "TRIPARTITE_WAREHOUSE_CLIENT_SECRET": "warehouse-secret",
    "TRIPARTITE_WAREHOUSE_WEBHOOK_SECRET": "demo-warehouse-secret",
    "TRIPARTITE_AVALARA_ACCOUNT_ID": "2000000001",
    "TRIPARTITE_AVALARA_LICENSE_KEY": "avalara-license",
    "TRIPARTITE_BANK_CLIENT_ID": "tripartite",
    "TRIPARTITE_BANK_CLIENT_SECRET": "bank-secret",
    "TRIPARTITE_ACME_CLIENT_ID": "unused",
    "TRIPARTITE_ACME_CLIENT_SECRET": "unused",
    "TRIPARTITE_ACME_WEBHOOK_SECRET": "unused",
}


def free_port() -> int:
    """A port of this machine that is free now, below those that clients are given."""
    for port in range(20_200, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port between 20200 and 32000")


# What the demo adds to the templates: simulated systems answer at once or not at all, so it waits for them less long.
_QUICK = 'timeout_seconds = "{}", commit_latency_seconds = "4"'
_FURTHER = {
    'erp_connection = "sap"': 'overlap_seconds = "10"',
    'supplier_numbers_from = "coupa"': _QUICK.format(5) + ', overlap_seconds = "10"',
    'username = "TRIPARTITE"': _QUICK.format(3),
}
_TEMPLATE_PORTS = {
    "coupa": 20110,
    "capture": 20120,
    "sap_s4hana": 20130,
    "warehouse": 20150,
    "avalara": 20160,
    "iso20022_bank": 20170,
}


def demo_estate(folder: Path, ports: Mapping[str, int]) -> Path:
    """Write the estate of the demo: the one that `tripartite init` writes, with the simulators' ports.

    With a port for the warehouse it is that of the reference story: goods are received there, and the others are told.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "policy").mkdir(parents=True)
    templates = resources.files("tripartite") / "cli" / "templates"
    text = (templates / "estate.toml").read_text(encoding="utf-8")
    if "warehouse" in ports:
        text = _once(text, 'object = "receipt"\nfields = "*"\nowner = "procurement"', "procurement", "warehouse")
        text += (templates / "reference_story.toml").read_text(encoding="utf-8")
    for kind, port in ports.items():
        text = text.replace(f"http://127.0.0.1:{_TEMPLATE_PORTS[kind]}", f"http://127.0.0.1:{port}")
    for known, further in _FURTHER.items():
        text = _once(text, known, known, f"{known}, {further}")
    (folder / "estate.toml").write_text(text, encoding="utf-8")
    for name, content in baseline_files().items():
        # The story begins on day zero: accounts that are paid already are taken over; every change is called back.
        day_zero = content.replace('first_account = "confirm"', 'first_account = "taken_over"')
        if "avalara" in ports and name == "countries.toml":
            head, here, german = day_zero.partition('id = "de"')
            day_zero = head + here + german.replace('tax_service = "built_in"', 'tax_service = "connection"', 1)
        (folder / "policy" / name).write_text(day_zero, encoding="utf-8")
    return folder


def _once(text: str, place: str, old: str, new: str) -> str:
    """`text` with `old` replaced in the one place that says so."""
    assert text.count(place) == 1, f"the template says {place} once"
    return text.replace(place, place.replace(old, new))


class Stage(msgspec.Struct):
    """Everything of a demo that is up."""

    running: Running
    vendors: Vendors
    estate: Estate
    token: str
    url: str
    patience: float = 0.0  # seconds that the treasury of the story leaves people at the console to release first
    _desk: Desk | None = None
    _met: set[str] = set()

    async def treasury(self) -> Desk:
        """The people of the treasury. They come when they are needed first: a start is not to wait for them."""
        if self._desk is None:
            self._desk = await _treasury(self.db, self.url, self.patience)
        return self._desk

    async def close(self) -> None:
        if self._desk is not None:
            await self._desk.close()

    def met(self, story: Story, *parts: str) -> int:
        """How many suppliers of these parts none of the earlier stories knew."""
        numbers = {each.number for each in story.suppliers if each.part in parts}
        new = len(numbers - self._met)
        self._met |= numbers
        return new

    @property
    def db(self) -> Database:
        return self.running.process.db


@asynccontextmanager
async def staged(settings: Settings, seed: int) -> AsyncIterator[Stage]:
    """Bring up the simulators and an empty Tripartite; both are gone afterwards."""
    home = settings.home / "demo"
    _forget(home)
    ports: dict[str, int] = {}
    for kind in KINDS:
        ports[kind] = free_port() if not ports else _next_free(max(ports.values()))
    port = settings.port if _is_free(settings.port) else _next_free(max(ports.values()))
    estate, pack = load(demo_estate(home / "estate", ports))
    vendors = Vendors([Spec(kind, ports[kind], _settings_of(kind, port), seed) for kind in KINDS])
    await vendors.start()
    try:
        own = msgspec.structs.replace(settings, home=home, port=port)
        async with Running(own, estate, pack, secrets=SECRETS) as running:
            async with running.process.db.connection() as connection:
                token = await create_token(connection, name="suppliers", permissions=MACHINE)
            url = f"http://127.0.0.1:{port}"
            stage = Stage(running, vendors, estate, token.reveal(), url)
            try:
                yield stage
            finally:
                await stage.close()
    finally:
        await vendors.stop()


async def _treasury(db: Database, url: str, patience: float) -> Desk:
    """The people of the treasury, with accounts and sessions of their own."""

    async def somebody(name: str, person: str, permissions: tuple[str, ...]) -> Person:
        once = await create_account(db, name=name, permissions=permissions, person=person)
        return await sign_in(url, name, once.reveal(), secrets.token_urlsafe(24))

    return Desk(
        proposer=await somebody("petra", "Petra Wolny", PROPOSER),
        releasers=[
            await somebody("tomas", "Tomas Brandt", RELEASER),
            await somebody("ines", "Ines Kaya", RELEASER),
            await somebody("viktor", "Viktor Lange", RELEASER),
        ],
        clerk=await somebody("karin", "Karin Sommer", CLERK),
        patience=patience,
    )


def _settings_of(kind: str, port: int) -> dict[str, str]:
    """How the simulated vendors are set up; `port` is ours."""
    hooks = f"http://127.0.0.1:{port}/v1/webhooks"
    return {
        "coupa": {"rate_per_second": "0"},
        "sap_s4hana": {"order_numbers": "external"},
        "avalara": {"rates": "DE=16"},  # a rate was lowered, and our own tables do not know it yet
        "capture": {
            "webhook_url": f"{hooks}/capture",
            "webhook_secret": SECRETS["TRIPARTITE_CAPTURE_WEBHOOK_SECRET"],
        },
        "iso20022_bank": {
            "accounts": ",".join(f"{n}:{c}:{BALANCES[n]}" for n, (_, c) in zip(BALANCES, PAYING, strict=True))
        },
        "warehouse": {
            "webhook_url": f"{hooks}/wms",
            "webhook_secret": SECRETS["TRIPARTITE_WAREHOUSE_WEBHOOK_SECRET"],
        },
    }.get(kind, {})


def _forget(home: Path) -> None:
    """Begin with nothing: an earlier demo's database is stopped and removed, wherever it had to be put."""
    if not home.exists():
        return
    server = EmbeddedPostgres(home)
    server.shut_down()
    shutil.rmtree(home, ignore_errors=True)
    # Where the database's own user cannot walk to the home, the cluster lies elsewhere.
    shutil.rmtree(server.data, ignore_errors=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _next_free(after: int) -> int:
    return next(port for port in range(after + 1, 32_000) if _is_free(port))
