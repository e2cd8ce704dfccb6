"""Whatever goes wrong on the way, each invoice is booked once: submit, probe the unknown, send the absent again."""

from __future__ import annotations

import asyncio
import random

import pytest

from connectors.sap_s4hana.sap_bench import Sap, outbound, posting
from tripartite.connectors.simulating import Fault
from tripartite.runtime.protocol import Absent, Outbound, Rejected, Settled, Unknown

KINDS = (
    ("post_invoice", "reply.429"),
    ("post_invoice", "reply.5xx"),
    ("post_invoice", "lie_html"),
    ("post_invoice", "hang"),
    ("post_invoice", "lock"),
    ("post_invoice", "csrf"),
    ("post_invoice", "commit_then_hang"),
    ("post_invoice", "commit_then_cut"),
    ("post_invoice", "commit_then_5xx"),
    ("post_invoice", "late_commit"),
    ("batch", "reply.5xx"),
    ("batch", "csrf"),
    ("batch", "commit_then_cut"),
    ("batch", "batch.reorder"),
    ("batch", "batch.omit"),
    ("batch", "batch.echo"),
    ("read", "reply.5xx"),
    ("csrf", "reply.5xx"),
)


async def settle(sap: Sap, items: list[Outbound], dice: random.Random) -> dict[str, str]:
    """What the deliveries do, in short: only what is surely not done is sent again."""
    owed, asked, done = {item.key: item for item in items}, {}, {}
    for _ in range(60):
        if not owed and not asked:
            return done
        sap.bench.faults = [Fault(*dice.choice(KINDS), times=dice.randint(1, 2)) for _ in range(dice.randint(0, 3))]
        chunk = list(owed.values())[: dice.choice((1, 4, 20))]
        for item, answer in zip(chunk, await sap.client.submit(chunk), strict=True):
            assert not isinstance(answer, Rejected), answer
            if isinstance(answer, Settled):
                done[item.key] = answer.remote_ref
                del owed[item.key]
            elif isinstance(answer, Unknown):
                asked[item.key] = owed.pop(item.key)
        for _ in range(5):
            await asyncio.sleep(0)  # longer than the latest commit
        for item in list(asked.values()):
            answer = await sap.client.probe(item)
            assert not isinstance(answer, Rejected), answer
            if isinstance(answer, Settled):
                done[item.key] = answer.remote_ref
                del asked[item.key]
            elif isinstance(answer, Absent):
                owed[item.key] = asked.pop(item.key)
    raise AssertionError(f"not at rest: {sorted(owed)} {sorted(asked)}")


@pytest.mark.parametrize("seed", range(25))
async def test_every_invoice_is_booked_once_under_any_faults(seed: int) -> None:
    dice = random.Random(seed)
    sap = Sap()

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)  # silence ends and late commits happen at the next turn

    sap.bench.sleep = at_once
    items = [outbound(posting(f"S{seed}-{place}", credit=place % 5 == 0)) for place in range(30)]
    done = await settle(sap, items, dice)
    booked = {row["text"]: f"{row['document']}/{row['year']}" for row in sap.ledger()}
    assert len(sap.ledger()) == len(items)
    assert done == booked
