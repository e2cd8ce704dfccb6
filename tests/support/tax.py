"""A house with a tax connection: the real Avalara client against its simulator, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import msgspec

from support.house import House
from tripartite.cli.estate import baseline_files
from tripartite.components.gateway import flows as gateway_flows
from tripartite.components.invoices import flows
from tripartite.connectors.avalara import simulator
from tripartite.connectors.avalara.client import connect
from tripartite.connectors.simulating import Cut, Fault, Reply, Request
from tripartite.core.estate.model import Connection as Configured
from tripartite.core.policy import Pack, load_pack
from tripartite.runtime.protocol import ClientPorts, Connection, HttpFailure, Secret


class _Answered(msgspec.Struct):
    status_code: int
    headers: Mapping[str, str]
    content: bytes


class _Line:
    """The http port over a function call: silence is a time-out, a cut a failure after sending."""

    def __init__(self, bench: simulator.AvaTax) -> None:
        self.bench = bench

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
        content: bytes | None = None,
        timeout_seconds: float = 30.0,
        operation: str = "",
    ) -> _Answered:
        low = {name.lower(): value for name, value in (headers or {}).items()}
        request = Request(method, unquote(urlsplit(url).path), dict(params or ()), low, content or b"")
        try:
            reply: Reply = await asyncio.wait_for(self.bench.handle(request), 0.05)
        except TimeoutError:
            raise HttpFailure("time-out", sent=True) from None
        except Cut:
            raise HttpFailure("cut", sent=True) from None
        return _Answered(reply.status, reply.headers, reply.body)


def pack_with_connection() -> Pack:
    """The baseline under which every country's tax is reckoned by the company's tax connection."""
    files = {
        name: text.replace('tax_service = "built_in"', 'tax_service = "connection"')
        for name, text in baseline_files().items()
    }
    found = load_pack(files)
    assert isinstance(found, Pack), found
    return found


class TaxedHouse:
    """A house, and the AvaTax that it asks."""

    def __init__(self, house: House, settings: dict[str, str] | None = None) -> None:
        self.house = house
        self.bench = simulator.build(settings or {}, seed=5)
        ports = house.ports
        configured = Configured("avalara", "avalara", "tax", ("*",), {"*": "act"}, "https://avatax.example")
        ports.estate = msgspec.structs.replace(ports.estate, connections=(*ports.estate.connections, configured))
        ports.pack = pack_with_connection()
        client = connect(
            Connection(
                name="avalara",
                kind="avalara",
                role="tax",
                base_url="https://avatax.example",
                secrets={"account_id": Secret("2000000001"), "license_key": Secret("avalara-license")},
            ),
            ClientPorts(_Line(self.bench), house.clock.now, house.clock.sleep),
        )
        ports.clients = {**house.remotes, "avalara": client}

    def fault(self, kind: str, *, times: int = 1) -> None:
        self.bench.faults.append(Fault("tax_quote", kind, times=times, status=500))

    async def ask(self) -> None:
        """The gateway asks what is due, and everybody reads."""
        await self.house.pump()
        await gateway_flows.ask_due(self.house.ports, self.house.door)
        await self.house.pump()

    async def ask_until_given_up(self) -> None:
        """Until the gateway has tried as often as it does."""
        for _ in range(gateway_flows.MOST_ASKS):
            await self.ask()
            self.house.clock.at += timedelta(minutes=6)

    async def ask_again(self) -> None:
        """The invoices component's own schedule, and what follows."""
        await flows.ask_tax_again(self.house.ports)
        await self.ask()
