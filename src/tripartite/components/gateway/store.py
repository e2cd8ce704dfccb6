"""The gateway's tables: raw bytes by digest, intakes with their dispositions, idempotency keys, cursors of pulls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tripartite.runtime.db import Connection, execute


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """One row of gateway.intake to be written."""

    intake_id: str
    connection: str
    digest: str
    media_type: str
    caller: str
    name: str = ""
    disposition: str = "waiting"
    reason_code: str = ""
    pointer: str = ""
    detail: str = ""
    format: str = ""
    object_kind: str = ""
    object_key: str = ""
    company_code: str = ""
    correlation_id: str = ""


_FIELDS = Intake.__struct_fields__
_INSERT = f"""INSERT INTO gateway.intake ({", ".join(_FIELDS)})
SELECT * FROM unnest({", ".join(["%s::text[]"] * len(_FIELDS))})"""


async def keep_raw(connection: Connection, documents: Sequence[tuple[str, bytes, str]]) -> None:
    """Keep bytes under their digest: (digest, content, media type). Known bytes are not written again."""
    unique = sorted({digest: (digest, content, media) for digest, content, media in documents}.values())
    await execute(
        connection,
        """INSERT INTO gateway.raw (digest, content, length, media_type)
        SELECT digest, content, length(content), media FROM unnest(%s::text[], %s::bytea[], %s::text[])
            AS n (digest, content, media) ON CONFLICT DO NOTHING""",
        ([d for d, _, _ in unique], [c for _, c, _ in unique], [m for _, _, m in unique]),
    )


async def add_intakes(connection: Connection, intakes: Sequence[Intake]) -> dict[str, str]:
    """Write intakes; a twin (same connection, same bytes) becomes a `duplicate`. Returns twin id -> first id."""
    columns = [[getattr(each, field) for each in intakes] for field in _FIELDS]
    made = await execute(
        connection,
        _INSERT + " ON CONFLICT (connection, digest) WHERE disposition <> 'duplicate' DO NOTHING RETURNING intake_id",
        columns,
    )
    new = {row[0] for row in await made.fetchall()}
    if len(new) == len(intakes):
        return {}
    twins = [each for each in intakes if each.intake_id not in new]
    found = await execute(
        connection,
        """SELECT connection, digest, intake_id FROM gateway.intake JOIN unnest(%s::text[], %s::text[])
        AS n (connection, digest) USING (connection, digest) WHERE disposition <> 'duplicate'""",
        ([each.connection for each in twins], [each.digest for each in twins]),
    )
    first = {(row[0], row[1]): row[2] for row in await found.fetchall()}
    firsts = {each.intake_id: first[each.connection, each.digest] for each in twins}
    rows = [msgspec.structs.replace(each, disposition="duplicate", reason_code="duplicate.event") for each in twins]
    await execute(connection, _INSERT, [[getattr(each, field) for each in rows] for field in _FIELDS])
    await execute(
        connection,
        """UPDATE gateway.intake SET first_intake_id = n.first FROM unnest(%s::text[], %s::text[]) AS n (id, first)
        WHERE intake_id = n.id""",
        (list(firsts), list(firsts.values())),
    )
    return firsts


async def known_digests(connection: Connection, name: str, digests: Sequence[str]) -> set[str]:
    """Which of these bytes this connection brought before."""
    found = await execute(
        connection,
        "SELECT digest FROM gateway.intake WHERE connection = %s AND digest = ANY(%s) AND disposition <> 'duplicate'",
        (name, list(digests)),
    )
    return {row[0] for row in await found.fetchall()}


async def contents(connection: Connection, digests: Sequence[str]) -> dict[str, bytes]:
    """The kept bytes of these digests."""
    found = await execute(
        connection, "SELECT digest, content FROM gateway.raw WHERE digest = ANY(%s)", (list(digests),)
    )
    return {row[0]: row[1] for row in await found.fetchall()}


class Disposition(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an intake."""

    intake_id: str
    disposition: str
    reason_code: str = ""
    pointer: str = ""
    detail: str = ""
    format: str = ""
    object_kind: str = ""
    object_key: str = ""
    company_code: str = ""
    correlation_id: str = ""
    dropped: tuple[str, ...] = ()


async def dispose(connection: Connection, dispositions: Sequence[Disposition]) -> None:
    """Record what became of intakes that were waiting to be read."""
    await execute(
        connection,
        """UPDATE gateway.intake i SET disposition = n.disposition, reason_code = n.reason, pointer = n.pointer,
        detail = n.detail, format = n.format, object_kind = n.kind, object_key = n.key, company_code = n.company,
        correlation_id = n.correlation, dropped = CASE WHEN n.dropped = '' THEN '{}' ELSE
            string_to_array(n.dropped, E'\\n') END
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::text[], %s::text[])
        AS n (id, disposition, reason, pointer, detail, format, kind, key, company, correlation, dropped)
        WHERE i.intake_id = n.id AND i.disposition <> 'duplicate'""",
        (
            [each.intake_id for each in dispositions],
            [each.disposition for each in dispositions],
            [each.reason_code for each in dispositions],
            [each.pointer for each in dispositions],
            [each.detail[:1000] for each in dispositions],
            [each.format for each in dispositions],
            [each.object_kind for each in dispositions],
            [each.object_key for each in dispositions],
            [each.company_code for each in dispositions],
            [each.correlation_id for each in dispositions],
            ["\n".join(each.dropped) for each in dispositions],
        ),
    )


async def correct(connection: Connection, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """The owner's word on an applied intake: (intake id, disposition, reason code, detail)."""
    await execute(
        connection,
        """UPDATE gateway.intake i SET disposition = n.disposition, reason_code = n.reason, detail = n.detail
        FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS n (id, disposition, reason, detail)
        WHERE i.intake_id = n.id""",
        ([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows]),
    )


INTAKE_COLUMNS = (
    *("intake_id", "connection", "digest", "name", "media_type", "received_at", "disposition", "reason_code"),
    *("pointer", "detail", "format", "object_kind", "object_key", "company_code", "correlation_id"),
    *("first_intake_id", "dropped"),
)


class Sight(msgspec.Struct, frozen=True):
    """Whose eyes: the companies they may see (None: all), and their name, under which they see what they brought."""

    companies: Sequence[str] | None
    caller: str


_SEEN = """(%(companies)s::text[] IS NULL OR i.company_code = ANY(%(companies)s)
    OR (i.company_code = '' AND i.caller = %(caller)s))"""


async def intake(connection: Connection, intake_id: str, sight: Sight) -> dict[str, Any] | None:
    found = await execute(
        connection,
        f"SELECT {', '.join(INTAKE_COLUMNS)} FROM gateway.intake i WHERE intake_id = %(id)s AND {_SEEN}",
        {"id": intake_id, "companies": sight.companies, "caller": sight.caller},
    )
    row = await found.fetchone()
    return dict(zip(INTAKE_COLUMNS, row, strict=True)) if row else None


async def recent_intakes(connection: Connection, disposition: str, limit: int, sight: Sight) -> list[dict[str, Any]]:
    found = await execute(
        connection,
        f"""SELECT {", ".join(INTAKE_COLUMNS)} FROM gateway.intake i
        WHERE %(disposition)s IN ('', disposition) AND {_SEEN}
        ORDER BY received_at DESC, intake_id DESC LIMIT %(limit)s""",
        {"disposition": disposition, "limit": limit, "companies": sight.companies, "caller": sight.caller},
    )
    return [dict(zip(INTAKE_COLUMNS, row, strict=True)) for row in await found.fetchall()]


async def is_seen(connection: Connection, digest: str, sight: Sight) -> bool:
    """Whether bytes belong to an intake that these eyes may see (I30)."""
    found = await execute(
        connection,
        f"SELECT 1 FROM gateway.intake i WHERE i.digest = %(digest)s AND {_SEEN} LIMIT 1",
        {"digest": digest, "companies": sight.companies, "caller": sight.caller},
    )
    return await found.fetchone() is not None


async def count_dispositions(connection: Connection) -> dict[str, int]:
    found = await execute(connection, "SELECT disposition, count(*) FROM gateway.intake GROUP BY 1")
    return dict(await found.fetchall())


# Idempotency


# Pulls and fetches


async def pull_cursor(connection: Connection, name: str, stream: str) -> str:
    found = await execute(
        connection, "SELECT cursor FROM gateway.pull WHERE connection = %s AND stream = %s", (name, stream)
    )
    row = await found.fetchone()
    return str(row[0]) if row else ""


async def streams(connection: Connection) -> list[dict[str, Any]]:
    """How far each stream of each connection was read, when last, and what its last failures said."""
    names = ("connection", "stream", "cursor", "pulled_at", "failures", "detail")
    found = await execute(connection, f"SELECT {', '.join(names)} FROM gateway.pull ORDER BY connection, stream")
    return [dict(zip(names, row, strict=True)) for row in await found.fetchall()]


async def keep_cursor(connection: Connection, name: str, stream: str, cursor: str, at: datetime) -> None:
    await execute(
        connection,
        """INSERT INTO gateway.pull (connection, stream, cursor, pulled_at) VALUES (%s, %s, %s, %s)
        ON CONFLICT (connection, stream) DO UPDATE SET cursor = EXCLUDED.cursor, pulled_at = EXCLUDED.pulled_at,
            failures = 0, detail = ''""",
        (name, stream, cursor, at),
    )


async def pull_failed(connection: Connection, name: str, stream: str, detail: str, at: datetime) -> None:
    await execute(
        connection,
        """INSERT INTO gateway.pull (connection, stream, cursor, pulled_at, failures, detail)
        VALUES (%s, %s, '', %s, 1, %s) ON CONFLICT (connection, stream) DO UPDATE SET
            failures = gateway.pull.failures + 1, detail = EXCLUDED.detail""",
        (name, stream, at, detail[:500]),
    )


async def add_fetches(connection: Connection, name: str, rows: Sequence[tuple[str, str, str]], due: datetime) -> None:
    """Owe the fetch of documents: (kind, key, version)."""
    await execute(
        connection,
        """INSERT INTO gateway.fetch (connection, kind, key, version, due_at)
        SELECT %s, kind, key, version, %s FROM unnest(%s::text[], %s::text[], %s::text[]) AS n (kind, key, version)
        ON CONFLICT DO NOTHING""",
        (name, due, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]),
    )


async def due_fetches(connection: Connection, now: datetime, limit: int) -> list[tuple[str, str, str, str, int]]:
    """Claim fetches that are due; the next attempt is set before we ask."""
    found = await execute(
        connection,
        """UPDATE gateway.fetch f SET attempts = attempts + 1,
            due_at = %(now)s + least(300, power(2, attempts)) * interval '1 second'
        FROM (SELECT connection, kind, key, version FROM gateway.fetch WHERE due_at <= %(now)s
            ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
        WHERE (f.connection, f.kind, f.key, f.version) = (due.connection, due.kind, due.key, due.version)
        RETURNING f.connection, f.kind, f.key, f.version, f.attempts""",
        {"now": now, "limit": limit},
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in await found.fetchall()]


async def fetched(connection: Connection, rows: Sequence[tuple[str, str, str, str]]) -> None:
    await execute(
        connection,
        """DELETE FROM gateway.fetch f USING unnest(%s::text[], %s::text[], %s::text[], %s::text[])
        AS n (connection, kind, key, version)
        WHERE (f.connection, f.kind, f.key, f.version) = (n.connection, n.kind, n.key, n.version)""",
        ([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows]),
    )


async def seen_event(connection: Connection, name: str, event_id: str) -> bool:
    """Note a webhook's event id; True where it came before."""
    made = await execute(
        connection,
        "INSERT INTO gateway.webhook_event (connection, event_id) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1",
        (name, event_id),
    )
    return await made.fetchone() is None


# Questions


async def add_asks(
    connection: Connection, asks: Sequence[tuple[str, str, str, bytes, str, str]], due: datetime
) -> None:
    """Owe questions: (company, question, reference, payload, correlation id, causation id). A pending one stays."""
    await execute(
        connection,
        """INSERT INTO gateway.ask (company_code, question, reference, payload, correlation_id, causation_id, due_at)
        SELECT *, %s FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::text[])
        ON CONFLICT (company_code, question, reference)
            DO UPDATE SET due_at = least(gateway.ask.due_at, EXCLUDED.due_at)
        """,
        (due, *([row[place] for row in asks] for place in range(6))),
    )


async def due_asks(connection: Connection, now: datetime, limit: int) -> list[tuple[bytes, str, str, int]]:
    """Claim questions that are due: (payload, correlation id, causation id, attempts)."""
    found = await execute(
        connection,
        """UPDATE gateway.ask a SET attempts = attempts + 1,
            due_at = %(now)s + least(300, 5 * power(2, attempts)) * interval '1 second'
        FROM (SELECT company_code, question, reference FROM gateway.ask WHERE due_at <= %(now)s
            ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
        WHERE (a.company_code, a.question, a.reference) = (due.company_code, due.question, due.reference)
        RETURNING a.payload, a.correlation_id, a.causation_id, a.attempts""",
        {"now": now, "limit": limit},
    )
    return [(row[0], row[1], row[2], row[3]) for row in await found.fetchall()]


async def asked(connection: Connection, places: Sequence[tuple[str, str, str]]) -> None:
    """These questions are answered: (company, question, reference)."""
    await execute(
        connection,
        """DELETE FROM gateway.ask a USING unnest(%s::text[], %s::text[], %s::text[])
        AS n (company_code, question, reference)
        WHERE (a.company_code, a.question, a.reference) = (n.company_code, n.question, n.reference)""",
        [[place[at] for place in places] for at in range(3)],
    )
