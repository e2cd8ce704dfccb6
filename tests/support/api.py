"""The HTTP application of a house and who may call it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from support.caller import Caller
from support.house import House
from tripartite.runtime.auth import LoggedIn, choose_password, create_account, create_token, log_in
from tripartite.runtime.health import health_routes
from tripartite.runtime.http_app import SESSION_COOKIE, Authenticator, build_app
from tripartite.runtime.metrics import metrics_route

EVERYTHING = (
    *("intake.write", "intake.read", "invoice.write", "invoice.read", "order.write", "order.read"),
    *("receipt.write", "receipt.read", "supplier.write", "supplier.read", "exception.read", "lineage.read"),
    *("requisition.read", "approval.read", "budget.read", "budget.write"),
    *("delivery.read", "estate.read", "trace.read", "audit.read", "raw.read", "metrics.read", "tax.read", "tax.write"),
    *("payment.read",),
)


class Api(AbstractAsyncContextManager["Api"]):
    """All routes of all components. Inside `async with` the door commits what single callers bring."""

    def __init__(self, house: House) -> None:
        self.house = house
        routes = [route for component in house.components for route in component.routes(house.ports)]
        measures = [measure for component in house.components for measure in component.measures]
        routes.append(metrics_route(house.ports.telemetry, house.ports.db, measures))
        routes += health_routes(house.ports.db, [component.name for component in house.components], "tests")
        self.app = build_app(routes, Authenticator(house.db), version="tests", compress=False)
        self.nobody = Caller(self.app)
        self._door: asyncio.Task[None] | None = None
        self._made = 0

    async def __aenter__(self) -> Api:
        self._door = asyncio.create_task(self.house.door.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._door is not None
        self._door.cancel()
        await asyncio.gather(self._door, return_exceptions=True)

    async def caller(
        self, permissions: Iterable[str] = EVERYTHING, companies: Iterable[str] | None = None, name: str = ""
    ) -> Caller:
        """Somebody with these permissions, for these companies (None: all)."""
        self._made += 1
        async with self.house.db.connection() as connection:
            token = await create_token(
                connection, name=name or f"caller {self._made}", permissions=permissions, companies=companies
            )
        return Caller(self.app, token.reveal())

    async def person(
        self, name: str, permissions: Iterable[str], companies: Iterable[str] | None = None, person: str = ""
    ) -> Caller:
        """A human being who has signed in with an account of this name."""
        once = await create_account(
            self.house.db, name=name, permissions=permissions, companies=companies, person=person or name
        )
        first = await log_in(self.house.db, name, once.reveal())
        assert isinstance(first, LoggedIn)
        chosen = await choose_password(
            self.house.db, first.session.reveal(), once.reveal(), "a long walk before noon 17"
        )
        assert isinstance(chosen, LoggedIn), chosen
        return Caller(self.app, cookie=f"{SESSION_COOKIE}={chosen.session.reveal()}")
