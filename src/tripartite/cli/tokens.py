"""`tripartite token`: a bearer token for a machine that calls the API: a source system, a monitor. Shown once.

It may hold what routes ask of a machine and nothing else; what only a person answers for is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

from tripartite.cli.letters import with_database
from tripartite.cli.running import say
from tripartite.runtime.auth import create_token, revoke_tokens
from tripartite.runtime.clock import Clock
from tripartite.runtime.db import Database
from tripartite.runtime.protocol import Secret
from tripartite.runtime.settings import Settings

GOOD, USAGE = 0, 2
# What routes ask for; a test compares.
KNOWN = (
    *("approval.read", "audit.read", "budget.read", "budget.write", "delivery.read", "estate.read", "exception.read"),
    *("intake.read", "intake.write", "invoice.read", "invoice.write", "lineage.read", "metrics.read", "order.read"),
    *("order.write", "payment.hold", "payment.propose", "payment.read", "policy.read", "raw.read", "receipt.read"),
    *("receipt.write", "requisition.read", "subscription.resume", "supplier.read", "supplier.suspend"),
    *("supplier.write", "tax.read"),
    *("tax.write", "trace.read"),
)


def created(settings: Settings, name: str, permissions: Sequence[str], companies: Sequence[str], days: int) -> int:
    """Make a token and print it once. No company named: all of them. `days` 0: it does not expire."""
    unknown = sorted(set(permissions) - set(KNOWN))
    if unknown or not permissions:
        say(f"No machine may {', '.join(unknown)}." if unknown else "Name what it may: --permission metrics.read")
        say(f"There are: {', '.join(KNOWN)}.")
        return USAGE
    expires: datetime | None = Clock().now() + timedelta(days=days) if days else None

    async def work(db: Database) -> Secret:
        async with db.connection() as connection:
            return await create_token(
                connection, name=name, permissions=permissions, companies=companies or None, expires_at=expires
            )

    token = with_database(settings, work)
    sys.stdout.write(token.reveal() + "\n")
    say(f"{name} may {', '.join(sorted(permissions))} for {', '.join(companies) or 'every company'}. Shown only now.")
    return GOOD


def revoked(settings: Settings, name: str) -> int:
    """Revoke every token of this name; a process that is up knows within seconds."""

    async def work(db: Database) -> int:
        async with db.connection() as connection:
            return await revoke_tokens(connection, name)

    count = with_database(settings, work)
    say(f"{count} token{'' if count == 1 else 's'} of {name} revoked.")
    return GOOD if count else USAGE
