"""Once over real HTTP: the product's own client of the outside, the bench behind a server, a cut in mid-answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest_asyncio
from granian.constants import Interfaces
from granian.server.embed import Server

from connectors.iso20022_bank.bank_bench import SECRET, order, owed, payment
from tripartite.connectors import registry
from tripartite.connectors.iso20022_bank.client import IsoBankClient
from tripartite.connectors.iso20022_bank.simulator import BankBench, build
from tripartite.connectors.simulating import Fault
from tripartite.core.objects import BankStatement
from tripartite.runtime.http import OutboundHttp, OutboundRules
from tripartite.runtime.protocol import (
    Accepted,
    ClientPorts,
    Connection,
    HttpFailure,
    Raw,
    ReadResult,
    RetryLater,
    Secret,
    Unknown,
)

HERE = OutboundRules(allow_loopback=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest_asyncio.fixture
async def bank() -> AsyncIterator[tuple[BankBench, IsoBankClient]]:
    bench = build({"client_secret": SECRET, "step_seconds": "0.01"}, seed=1)
    port = free_port()
    server = Server(bench, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    base = f"http://127.0.0.1:{port}"
    http = OutboundHttp(base, name="bank", rules=HERE)
    connection = Connection(
        name="bank",
        kind="iso20022_bank",
        role="bank",
        base_url=base,
        secrets={"client_id": Secret("tripartite"), "client_secret": Secret(SECRET)},
    )
    client = registry.connect(connection, ClientPorts(http, lambda: datetime.now(UTC), asyncio.sleep))
    assert isinstance(client, IsoBankClient)
    async with asyncio.timeout(10):
        while True:
            try:
                await client.check()
                break
            except HttpFailure:  # the server is not listening yet
                await asyncio.sleep(0.02)
    yield bench, client
    await http.close()
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_pay_day_over_a_real_socket(bank: tuple[BankBench, IsoBankClient]) -> None:
    bench, client = bank
    first, second = owed(order("ORD-1", payment("PAY-1"))), owed(order("ORD-2", payment("PAY-2")))
    bench.faults.append(Fault("upload", "commit_then_cut", times=1))
    lost, taken = await client.submit([first, second])
    assert isinstance(lost, Unknown)
    assert isinstance(taken, Accepted)
    bench.faults.append(Fault("upload", "reply.429", times=1, retry_after=5))
    (busy,) = await client.submit([first])
    assert isinstance(busy, RetryLater)
    assert busy.after_seconds == 5
    for _ in range(10):
        await asyncio.sleep(0.02)
        bench.advance()
    assert not isinstance(await client.probe(first), Unknown | RetryLater)
    bench.arrange({"end_of_day": True})
    page = await client.pull("bank_statement", "", 20)
    readers = registry.readers("iso20022_bank")
    values = [readers[each.kind](Raw(each.content, each.media_type)) for each in page.items]
    statements = [
        each.value for each in values if isinstance(each, ReadResult) and isinstance(each.value, BankStatement)
    ]
    assert [each.kind for each in statements] == ["notification", "notification", "statement"]
    assert {each.payment_number for each in statements[-1].entries} == {"PAY-1", "PAY-2"}
    assert {each["bookings"] for each in bench.truth()["payments"].values()} == {1}
