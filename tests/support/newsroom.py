"""A house with two subscribers on real sockets: `books` hears of DE01, `ledger` of every company's invoices."""

from __future__ import annotations

from datetime import date
from typing import Any

from support.house import House
from support.receiver import Receiver
from tripartite.components.subscriptions.flows import notifier
from tripartite.core.estate import Subscriber
from tripartite.runtime.notifying import Notifier, WebhookClient, open_webhook
from tripartite.runtime.protocol import Secret

BOOKS = "whsec_" + "Ym9va3MncyBzZWNyZXQsIDI0IGJ5dGVzIQ=="
LEDGER = "whsec_" + "bGVkZ2VyJ3Mgc2VjcmV0IG9mIDI0IGJ5dGVz"
OLD = "whsec_" + "b2xkIHNlY3JldCBvZiAyNCBieXRlcyE="


class Newsroom:
    """The house, its receivers, and a deliverer for each subscriber."""

    def __init__(self, house: House, receivers: dict[str, Receiver]) -> None:
        self.house, self.receivers = house, receivers
        self.books, self.ledger = receivers["books"], receivers["ledger"]
        self.secrets = {"books": [BOOKS], "ledger": [LEDGER]}
        self._made: dict[str, Notifier] = {}
        self._clients: list[WebhookClient] = []
        house.ports.webhook = self._open

    def _open(self, subscriber: Subscriber) -> WebhookClient:
        secrets = [Secret(each) for each in self.secrets[subscriber.name]]
        client = open_webhook(subscriber, secrets, self.house.ports.clock, loopback=True)
        self._clients.append(client)
        return client

    def notifier(self, name: str) -> Notifier:
        """The one deliverer of a subscriber, as long as its process lives."""
        if name not in self._made:
            entry = next(each for each in self.house.ports.estate.subscribers if each.name == name)
            self._made[name] = notifier(self.house.ports, entry)
        return self._made[name]

    async def tell(self, *names: str) -> int:
        """Everybody reads; then what is due at this time goes out."""
        await self.house.settle()
        done = 0
        for name in names or tuple(self.receivers):
            while taken := await self.notifier(name).once():
                done += taken
        return done

    async def tell_until_rest(self, *names: str, seconds: float = 3_600.0) -> None:
        """Time goes on until nothing waits any more."""
        for _ in range(100):
            await self.tell(*names)
            if not await self.waiting(*names):
                return
            self.house.clock.turn(seconds)
        raise AssertionError("something waits for ever")

    async def waiting(self, *names: str) -> int:
        return int(
            await self.house.value(
                "SELECT count(*) FROM deliveries.delivery WHERE connection = ANY(%s)"
                " AND state NOT IN ('settled', 'dead_letter')",
                list(names or self.receivers),
            )
        )

    async def states(self, name: str) -> list[str]:
        rows = await self.house.rows(
            "SELECT state, count(*) FROM deliveries.delivery WHERE connection = %s GROUP BY 1 ORDER BY 1", name
        )
        return [f"{state} {count}" for state, count in rows]

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


def subscribers(receivers: dict[str, Receiver], **further: Any) -> tuple[Subscriber, ...]:
    day = date(2026, 11, 1)
    return (
        Subscriber("books", receivers["books"].url, ("*",), ("DE01",), ("env:BOOKS",), day, **further),
        Subscriber("ledger", receivers["ledger"].url, ("invoice.*",), ("*",), ("env:LEDGER",), day, **further),
    )
