"""The schedule: in business hours each company's due proposals are drawn up; what is late expires."""

from __future__ import annotations

import logging
from datetime import timedelta

from tripartite.components.payments.building import Refused, Wanted, build, expire, plan
from tripartite.components.payments.desk import Desk
from tripartite.components.payments.ledger import latest_of_run
from tripartite.components.payments.store import hold_still
from tripartite.components.payments.telling import Cause
from tripartite.core import codec
from tripartite.core.estate.calendar import business_time_between
from tripartite.core.ids import stable_id
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection

log = logging.getLogger(__name__)


async def draw_up(ports: Ports) -> None:
    """One run a day for each account of a company that is open for business now. What comes to be due or free later
    that day waits for the next, or for a person who asks: people release a few large proposals, not many small ones.
    """
    now = ports.clock.now()
    for own in ports.estate.accounts:
        calendar = ports.estate.calendar_of(own.company)
        if calendar is None or not business_time_between(now, now + timedelta(minutes=1), *calendar):
            continue

        async def work(connection: Connection, company: str = own.company, account: str = own.account) -> None:
            desk = Desk(ports, connection, Cause(stable_id("run", company, account, str(now.date()))))
            wanted = Wanted(company_code=company, account=account)
            planned = plan(desk, wanted)
            await hold_still(connection, [company], change=True)
            if not isinstance(planned, Refused):
                run = codec.encode(planned[0])
                if await latest_of_run(connection, company, run, "schedule") is not None:
                    return
            built = await build(desk, wanted, None)
            await desk.finish()
            if isinstance(built, Refused):
                log.warning("no payment run", extra={"company": company, "reason": built.words})

        await ports.db.transaction(work)


async def expire_old(ports: Ports) -> None:
    """Proposals whose day passed without a release are cancelled, so that their items are drawn up anew."""
    for company in sorted({own.company for own in ports.estate.accounts}):

        async def work(connection: Connection, code: str = company) -> None:
            desk = Desk(ports, connection, Cause(stable_id("run", code, "expire")))
            await hold_still(connection, [code], change=True)
            await expire(desk, code)
            await desk.finish()

        await ports.db.transaction(work)
