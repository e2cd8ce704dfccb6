"""Who is there and what they may: tokens of machines, accounts of people, sessions, and the throttle on guessing.

    principal = await tokens.verify(bearer)             machines; a small cache bounds the cost and the delay (5 s)
    answer = await log_in(database, name, password)     people: LoggedIn or LoginRefused
    session = await verify_session(connection, cookie)  None, or who it is, and whether they must choose a password

Default is deny: a `Principal` may what its permissions name and nothing else. Machines may never do what only a person
answers for, whatever permissions they were given. Passwords are hashed outside any transaction. This file knows
nothing of HTTP; OpenID Connect accounts come in beside these, they do not pass through here.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Literal

import msgspec

from tripartite.runtime.db import Connection, Database, MigrationSet, execute
from tripartite.runtime.passwords import (
    LONGEST_PASSWORD,
    RandomBytes,
    csrf_token,
    hash_password,
    new_token,
    password_holds,
    password_trouble,
    prepared,
    token_hash,
)
from tripartite.runtime.protocol import Secret

__all__ = [
    "LoggedIn",
    "LoginRefused",
    "Principal",
    "Session",
    "Tokens",
    "choose_password",
    "conflicting",
    "create_account",
    "create_token",
    "csrf_token",
    "disable_account",
    "log_in",
    "log_out",
    "new_token",
    "reset_password",
    "revoke_tokens",
    "step_up",
    "token_hash",
    "verify_session",
    "verify_token",
]

MIGRATIONS = MigrationSet("auth", "tripartite.runtime.migrations.auth")

PERSON_ONLY = frozenset(
    {
        *(
            "approval.decide",
            "bank.confirm",
            "delivery.replay",
            "duplicate.decide",
            "exception.refuse",
            "exception.work",
        ),
        "hold.release",
        *("invoice.refuse", "invoice.short_pay"),
        *("payment.release", "policy.approve", "policy.propose", "supplier.restore"),
    }
)  # a service account cannot answer for these (C23)

# Who holds one of these may not exercise the other duty (controls.md, segregation of duties): whoever can change the
# master, enter invoices or let money go does not decide where the money goes.
CONFLICTS: Mapping[str, frozenset[str]] = {
    "bank.confirm": frozenset({"invoice.write", "payment.propose", "payment.release", "supplier.write"}),
    "supplier.restore": frozenset({"invoice.write", "payment.propose", "payment.release"}),
    # A limit made to fit: whoever enters invoices does not change what they are measured by.
    "policy.approve": frozenset({"invoice.write"}),
    "policy.propose": frozenset({"invoice.write"}),
}

CACHE_SECONDS = 5.0
CACHE_ENTRIES = 10_000
ONE_TIME_LIFE = timedelta(hours=24)
SESSION_LIFE = timedelta(hours=12)
SESSION_IDLE = timedelta(minutes=30)
STEP_UP_LIFE = timedelta(minutes=5)
FAILURES_PER_ACCOUNT = 5
FAILURES_PER_SOURCE = 50
FAILURE_WINDOW = timedelta(minutes=15)


class Principal(msgspec.Struct, frozen=True):
    """Who acts. `companies` None means every company; `person` joins the accounts of one human being."""

    name: str
    kind: Literal["machine", "person", "system"]
    permissions: frozenset[str]
    companies: frozenset[str] | None = None
    person: str = ""

    def may(self, permission: str) -> bool:
        """Is this permission held, by someone who can hold it?"""
        return permission in self.permissions and (self.kind == "person" or permission not in PERSON_ONLY)

    @property
    def teams(self) -> frozenset[str]:
        """The teams this account acts for: permissions `role.ap`, `role.buyer`, ... name them."""
        return frozenset(name.removeprefix("role.") for name in self.permissions if name.startswith("role."))

    def sees(self, company_code: str) -> bool:
        """Are the books of this company theirs to see? Where not, the answer outside is "not found"."""
        return self.companies is None or company_code in self.companies


def conflicting(held: Iterable[str], permission: str) -> tuple[str, ...]:
    """What somebody holds that excludes this duty; empty where it may be exercised."""
    return tuple(sorted(CONFLICTS.get(permission, frozenset()).intersection(held)))


@cache
def _nobody() -> str:
    return hash_password(secrets.token_urlsafe(16))


# Tokens of machines


async def create_token(
    connection: Connection,
    *,
    name: str,
    permissions: Iterable[str],
    companies: Iterable[str] | None = None,
    kind: Literal["machine", "system"] = "machine",
    expires_at: datetime | None = None,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> Secret:
    """Make a token and give it once; it cannot be read again.

    Errors: `ValueError` where it would hold what only a person may.
    """
    held = sorted(set(permissions))
    if reserved := PERSON_ONLY.intersection(held):
        raise ValueError(f"a service account cannot hold {', '.join(sorted(reserved))}")
    token = new_token(random_bytes=random_bytes)
    await execute(
        connection,
        """INSERT INTO auth.token (token_hash, name, kind, permissions, companies, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s)""",
        (token_hash(token.reveal()), name, kind, held, _listed(companies), expires_at),
    )
    return token


async def revoke_tokens(connection: Connection, name: str) -> int:
    """Revoke every token of this name; how many were alive. Other processes know within `CACHE_SECONDS`."""
    done = await execute(
        connection,
        "UPDATE auth.token SET revoked_at = runtime.tripartite_now() WHERE name = %s AND revoked_at IS NULL",
        (name,),
    )
    return done.rowcount


async def verify_token(connection: Connection, token: str) -> Principal | None:
    """Whose token this is; None where it is nobody's, expired or revoked. Not cached: see `Tokens`."""
    row = await (
        await execute(
            connection,
            """SELECT name, kind, permissions, companies FROM auth.token WHERE token_hash = %s
            AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > runtime.tripartite_now())""",
            (token_hash(token),),
        )
    ).fetchone()
    if row is None:
        return None
    name, kind, permissions, companies = row
    return Principal(name, kind, frozenset(permissions), None if companies is None else frozenset(companies))


class Tokens:
    """`verify_token` with a memory of a few seconds, for the API: the same token comes thousands of times."""

    def __init__(
        self, database: Database, *, seconds: float = CACHE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        assert 0 <= seconds <= CACHE_SECONDS, "a revoked token must not live on"
        self._database = database
        self._seconds = seconds
        self._clock = clock
        self._known: dict[bytes, tuple[float, Principal | None]] = {}

    async def verify(self, token: str) -> Principal | None:
        """Whose token this is. Wrong ones are remembered too, so that a storm of them does not reach the database."""
        if len(token) > 200:
            return None
        place, now = token_hash(token), self._clock()
        found = self._known.get(place)
        if found is not None and now - found[0] < self._seconds:
            return found[1]
        async with self._database.connection() as connection:
            principal = await verify_token(connection, token)
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
        self._known[place] = (now, principal)
        return principal


# Accounts and sessions of people


class LoggedIn(msgspec.Struct, frozen=True):
    """A new session. `session` goes into the cookie and nowhere else."""

    session: Secret
    principal: Principal
    must_choose_password: bool


class LoginRefused(msgspec.Struct, frozen=True):
    """Not let in. `wrong` says nothing about which part was; `throttled` says when to come again."""

    reason: Literal["wrong", "throttled"]
    after_seconds: int = 0


class Session(msgspec.Struct, frozen=True):
    """Who a cookie stands for. While a password must be chosen, the principal holds no permission at all."""

    account: str
    principal: Principal
    must_choose_password: bool
    stepped_up: bool


async def create_account(
    database: Database,
    *,
    name: str,
    permissions: Iterable[str],
    companies: Iterable[str] | None = None,
    person: str = "",
    random_bytes: RandomBytes = secrets.token_bytes,
) -> Secret:
    """Make an account and give its one-time password once: whoever gets it can only choose another within a day.

    Errors: psycopg's `UniqueViolation` where the name is taken.
    """
    password = new_token("once", random_bytes)
    stored = await asyncio.to_thread(hash_password, password.reveal(), random_bytes)

    async def work(connection: Connection) -> None:
        await execute(
            connection,
            """INSERT INTO auth.account (name, person, password, one_time, password_until, permissions, companies)
            VALUES (%s, %s, %s, true, runtime.tripartite_now() + %s, %s, %s)""",
            (name, person or name, stored, ONE_TIME_LIFE, sorted(set(permissions)), _listed(companies)),
        )

    await database.transaction(work)
    return password


async def reset_password(
    database: Database, *, name: str, random_bytes: RandomBytes = secrets.token_bytes
) -> Secret | None:
    """A new one-time password for an account, ending its sessions; None where there is no such account."""
    password = new_token("once", random_bytes)
    stored = await asyncio.to_thread(hash_password, password.reveal(), random_bytes)

    async def work(connection: Connection) -> bool:
        done = await execute(
            connection,
            """UPDATE auth.account SET password = %s, one_time = true,
                password_until = runtime.tripartite_now() + %s, password_at = runtime.tripartite_now()
            WHERE name = %s AND disabled_at IS NULL""",
            (stored, ONE_TIME_LIFE, name),
        )
        await _end_sessions(connection, name)
        return done.rowcount == 1

    return password if await database.transaction(work) else None


async def disable_account(connection: Connection, name: str) -> bool:
    """Close an account and its sessions at once (C24: leavers). False where there is none or it was closed."""
    done = await execute(
        connection,
        "UPDATE auth.account SET disabled_at = runtime.tripartite_now() WHERE name = %s AND disabled_at IS NULL",
        (name,),
    )
    await _end_sessions(connection, name)
    return done.rowcount == 1


async def log_in(
    database: Database, name: str, password: str, *, source: str = "", random_bytes: RandomBytes = secrets.token_bytes
) -> LoggedIn | LoginRefused:
    """Let a person in, or not, in the same time for a wrong password as for a name that does not exist.

    `source` is where the attempt comes from (an address). After `FAILURES_PER_ACCOUNT` failures within
    `FAILURE_WINDOW`, even the right password has to wait.
    """
    attempt = await database.transaction(lambda connection: _enter_attempt(connection, name, source))
    if isinstance(attempt, LoginRefused):
        return attempt
    async with database.connection() as connection:
        row = await (
            await execute(
                connection,
                """SELECT password, one_time, permissions, companies, person FROM auth.account
                WHERE name = %s AND disabled_at IS NULL
                AND (password_until IS NULL OR password_until > runtime.tripartite_now())""",
                (name,),
            )
        ).fetchone()
    stored = row[0] if row else await asyncio.to_thread(_nobody)
    holds = len(password) <= LONGEST_PASSWORD and await asyncio.to_thread(password_holds, password, stored)
    if row is None or not holds:
        return LoginRefused("wrong")
    session = new_token("tps", random_bytes)

    async def work(connection: Connection) -> bool:
        # The row is locked and read again: a password changed meanwhile is not a way in.
        same = await execute(
            connection,
            "SELECT 1 FROM auth.account WHERE name = %s AND password = %s AND disabled_at IS NULL FOR UPDATE",
            (name, stored),
        )
        if await same.fetchone() is None:
            return False
        await execute(connection, "DELETE FROM auth.attempt WHERE account = %s", (name,))
        await execute(
            connection,
            """INSERT INTO auth.session (session_hash, account, expires_at, stepped_up_at)
            VALUES (%s, %s, runtime.tripartite_now() + %s, runtime.tripartite_now())""",
            (token_hash(session.reveal()), name, SESSION_LIFE),
        )
        return True

    if not await database.transaction(work):
        return LoginRefused("wrong")
    return LoggedIn(session, _person(name, row[2], row[3], row[4], must_choose=row[1]), bool(row[1]))


async def _enter_attempt(connection: Connection, name: str, source: str) -> int | LoginRefused:
    await execute(connection, "SELECT pg_advisory_xact_lock(7461904, hashtext(%s))", (name,))
    row = await (
        await execute(
            connection,
            """SELECT count(*) FILTER (WHERE account = %(name)s), count(*) FILTER (WHERE source = %(source)s),
                ceil(extract(epoch FROM max(at) + %(window)s - runtime.tripartite_now()))::int
            FROM auth.attempt WHERE (account = %(name)s OR (source = %(source)s AND source <> ''))
            AND at > runtime.tripartite_now() - %(window)s""",
            {"name": name, "source": source, "window": FAILURE_WINDOW},
        )
    ).fetchone()
    assert row is not None
    if row[0] >= FAILURES_PER_ACCOUNT or row[1] >= FAILURES_PER_SOURCE:
        return LoginRefused("throttled", max(int(row[2]), 1))
    entered = await (
        await execute(
            connection,
            "INSERT INTO auth.attempt (account, source) VALUES (%s, %s) RETURNING attempt_no",
            (name, source),
        )
    ).fetchone()
    assert entered is not None
    return int(entered[0])


async def verify_session(connection: Connection, session: str) -> Session | None:
    """Who this cookie stands for; None where it is nobody's, over, or was idle too long. Counts as being seen."""
    row = await (
        await execute(
            connection,
            """SELECT a.name, a.permissions, a.companies, a.person, a.one_time,
                coalesce(s.stepped_up_at > runtime.tripartite_now() - %(fresh)s, false),
                s.seen_at < runtime.tripartite_now() - interval '1 minute'
            FROM auth.session s JOIN auth.account a ON a.name = s.account
            WHERE s.session_hash = %(hash)s AND s.ended_at IS NULL AND a.disabled_at IS NULL
            AND s.expires_at > runtime.tripartite_now() AND s.seen_at > runtime.tripartite_now() - %(idle)s""",
            {"hash": token_hash(session), "fresh": STEP_UP_LIFE, "idle": SESSION_IDLE},
        )
    ).fetchone()
    if row is None:
        return None
    name, permissions, companies, person, one_time, stepped_up, stale = row
    if stale:  # once a minute is often enough to write
        await execute(
            connection,
            "UPDATE auth.session SET seen_at = runtime.tripartite_now() WHERE session_hash = %s",
            (token_hash(session),),
        )
    return Session(name, _person(name, permissions, companies, person, must_choose=one_time), one_time, stepped_up)


async def log_out(connection: Connection, session: str) -> None:
    """End a session."""
    await execute(
        connection,
        "UPDATE auth.session SET ended_at = runtime.tripartite_now() WHERE session_hash = %s AND ended_at IS NULL",
        (token_hash(session),),
    )


async def choose_password(
    database: Database, session: str, old: str, new: str, *, random_bytes: RandomBytes = secrets.token_bytes
) -> LoggedIn | str:
    """Replace one's own password; every session ends and a new one begins. A sentence where it cannot be done."""
    async with database.connection() as connection:
        known = await verify_session(connection, session)
    if known is None:
        return "This session is over."
    if trouble := password_trouble(new, known.account):
        return trouble
    if hmac.compare_digest(prepared(old), prepared(new)):
        return "The new password is the old one."
    let_in = await log_in(database, known.account, old, source="", random_bytes=random_bytes)
    if isinstance(let_in, LoginRefused):
        return "The old password is not right." if let_in.reason == "wrong" else "Too many attempts; wait a while."
    stored = await asyncio.to_thread(hash_password, new, random_bytes)
    fresh = new_token("tps", random_bytes)

    async def work(connection: Connection) -> None:
        await execute(
            connection,
            """UPDATE auth.account SET password = %s, one_time = false, password_until = NULL,
                password_at = runtime.tripartite_now() WHERE name = %s""",
            (stored, known.account),
        )
        await _end_sessions(connection, known.account)
        await execute(
            connection,
            """INSERT INTO auth.session (session_hash, account, expires_at, stepped_up_at)
            VALUES (%s, %s, runtime.tripartite_now() + %s, runtime.tripartite_now())""",
            (token_hash(fresh.reveal()), known.account, SESSION_LIFE),
        )

    await database.transaction(work)
    async with database.connection() as connection:
        now = await verify_session(connection, fresh.reveal())
    return LoggedIn(fresh, now.principal, False) if now is not None else "This account was closed."


async def step_up(database: Database, session: str, password: str, *, source: str = "") -> bool:
    """Ask for the password once more before a release or a bank change; good for `STEP_UP_LIFE`."""
    async with database.connection() as connection:
        known = await verify_session(connection, session)
    if known is None:
        return False
    let_in = await log_in(database, known.account, password, source=source)
    if isinstance(let_in, LoginRefused):
        return False
    async with database.connection() as connection:
        await log_out(connection, let_in.session.reveal())  # only the proof was wanted
        await execute(
            connection,
            "UPDATE auth.session SET stepped_up_at = runtime.tripartite_now() WHERE session_hash = %s",
            (token_hash(session),),
        )
    return True


async def _end_sessions(connection: Connection, account: str) -> None:
    await execute(
        connection,
        "UPDATE auth.session SET ended_at = runtime.tripartite_now() WHERE account = %s AND ended_at IS NULL",
        (account,),
    )


def _person(
    name: str, permissions: list[str], companies: list[str] | None, person: str, *, must_choose: bool
) -> Principal:
    held = frozenset() if must_choose else frozenset(permissions)
    return Principal(name, "person", held, None if companies is None else frozenset(companies), person)


def _listed(companies: Iterable[str] | None) -> list[str] | None:
    return None if companies is None else sorted(set(companies))
