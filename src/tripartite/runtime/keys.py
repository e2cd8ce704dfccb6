"""Idempotency keys of callers: what a key stands for, kept in the transaction of the act that it names.

Each component keeps its own in a table `idempotency` of its schema (caller, key, request_digest, response), so that a
key commits exactly with what it did. The same key with another request is refused by the route that finds it.
"""

from __future__ import annotations

from tripartite.runtime.db import Connection, execute


class Keys:
    """The keys of one component. `schema` and `table` are ours, never a caller's word."""

    def __init__(self, schema: str, table: str = "idempotency") -> None:
        assert schema.isidentifier(), schema
        assert table.isidentifier(), table
        self._table = f"{schema}.{table}"

    async def known(self, connection: Connection, caller: str, key: str) -> tuple[str, bytes] | None:
        """The request digest and the response that this caller's key already stands for."""
        found = await execute(
            connection,
            f"SELECT request_digest, response FROM {self._table} WHERE caller = %s AND key = %s",
            (caller, key),
        )
        row = await found.fetchone()
        return (row[0], bytes(row[1])) if row else None

    async def keep(self, connection: Connection, caller: str, key: str, digest: str, response: bytes) -> bool:
        """Remember what a key stands for; False where another request of the same key was faster."""
        made = await execute(
            connection,
            f"""INSERT INTO {self._table} (caller, key, request_digest, response) VALUES (%s, %s, %s, %s)
            ON CONFLICT DO NOTHING RETURNING 1""",
            (caller, key, digest, response),
        )
        return await made.fetchone() is not None
