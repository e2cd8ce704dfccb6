"""A PostgreSQL for tests: one server for each test process, one prepared template, one clone for each test.

A clone costs less than a migration, and a test that begins with nothing depends on no other. The application connects
as the worker's role, as in production; only cloning itself is done by the administrator.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import sql

from tripartite.runtime.component import Component
from tripartite.runtime.postgres import OWNER, SERVING, SUPERUSER, WORKER, EmbeddedPostgres
from tripartite.runtime.process import Urls, prepare_database

TEMPLATE = "house_template"


class Clones:
    """A server with a template database that holds every component's schema."""

    def __init__(self, home: Path, components: Sequence[Component]) -> None:
        home.chmod(0o755)  # the server's own system user must be able to walk there
        self.server = EmbeddedPostgres(home, durable=False)
        self._components = components
        self._count = 0
        self._prepared = False

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def url(self, role: str, name: str) -> str:
        return self.server.url(role).replace("dbname=tripartite ", f"dbname={name} ")

    def urls(self, name: str) -> Urls:
        return Urls(self.url(WORKER, name), self.url(OWNER, name), self.url(SERVING, name))

    def administrator_url(self, name: str) -> str:
        """As somebody who may do anything: to look for what must not be there, and to tamper."""
        return self.url(SUPERUSER, name)

    def fresh(self, now: datetime) -> str:
        """The name of a new database in which the server's clock, as domain statements read it, stands at `now`."""
        if not self._prepared:
            self.server.create_database(TEMPLATE)
            prepare_database(self.urls(TEMPLATE), self._components)
            self._prepared = True
        self._count += 1
        name = f"house_{self._count}"
        with psycopg.connect(self.administrator_url("postgres"), autocommit=True) as administrator:
            for text in (
                "DROP DATABASE IF EXISTS {name} WITH (FORCE)",
                "CREATE DATABASE {name} TEMPLATE {template} OWNER {owner}",
                "ALTER DATABASE {name} SET tripartite.now = {now}",
            ):
                administrator.execute(
                    sql.SQL(text).format(
                        name=sql.Identifier(name),
                        template=sql.Identifier(TEMPLATE),
                        owner=sql.Identifier(OWNER),
                        now=sql.Literal(now.isoformat()),
                    )
                )
        return name

    def drop(self, name: str) -> None:
        with psycopg.connect(self.administrator_url("postgres"), autocommit=True) as administrator:
            administrator.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
