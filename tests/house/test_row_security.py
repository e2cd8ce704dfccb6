"""What the catalogue of the database says of row security: no table of a company is without its policy."""

from __future__ import annotations

import psycopg

from tripartite.runtime.process import Urls

# Tables with a company's rows that the serving role cannot reach in any way, with why they need no policy.
EXEMPT: dict[str, str] = {}


def test_a_table_with_a_company_code_has_a_policy(database: Urls) -> None:
    with psycopg.connect(database.owner) as owner:
        found = owner.execute(
            """SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('company_code', 'company_codes', 'companies')
            WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^(pg_|information_schema|auth$)'
            AND NOT (c.relrowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)) ORDER BY 1"""
        ).fetchall()
    bare = [row[0] for row in found if row[0] not in EXEMPT]
    assert not bare, f"CALL runtime.bind('schema.table') in a migration of its component: {bare}"


# Views that ask with the rights of whoever asks them, over tables that are bound.
VIEWS = {"payments.held", "payments.stopped"}


def test_a_view_that_is_served_asks_with_the_rights_of_its_reader(database: Urls) -> None:
    with psycopg.connect(database.serving) as serving:
        found = serving.execute(
            """SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'v' AND n.nspname !~ '^(pg_|information_schema)'
            AND c.reloptions @> '{security_invoker=true}' AND has_schema_privilege(n.oid, 'USAGE')
            AND has_table_privilege(c.oid, 'SELECT')"""
        ).fetchall()
    assert {row[0] for row in found} == VIEWS


def test_the_serving_role_reads_what_is_bound_and_little_else_and_writes_nothing(database: Urls) -> None:
    with psycopg.connect(database.serving) as serving:
        tables = serving.execute(
            """SELECT n.nspname || '.' || c.relname, c.relrowsecurity FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm')
            AND n.nspname !~ '^(pg_|information_schema)' AND has_schema_privilege(n.oid, 'USAGE')
            AND has_table_privilege(c.oid, 'SELECT')"""
        ).fetchall()
        written = serving.execute(
            """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'S') AND n.nspname !~ '^(pg_|information_schema)'
            AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"""
        ).fetchall()
    unbound = {name for name, bound in tables if not bound}
    assert unbound - VIEWS == {
        *("audit.checkpoint", "audit.log_key", "audit.pending", "audit.position", "audit.tile"),  # hashes
        *("bus.cursor", "deliveries.connection", "gateway.pull", "runtime.span"),  # how the estate fares
        "control.policy_release",  # under what everybody is judged
    }
    assert {name for name, bound in tables if bound} > {"invoices.invoice", "gateway.raw", "suppliers.supplier"}
    assert not any(name.startswith(("auth.", "jobs.")) for name, _ in tables), "tokens, passwords, jobs"
    assert written == []


def test_no_view_lends_the_rights_of_its_owner(database: Urls) -> None:
    with psycopg.connect(database.owner) as owner:
        lending = owner.execute(
            """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'v' AND n.nspname !~ '^(pg_|information_schema|jobs$)'
            AND NOT coalesce(c.reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on']"""
        ).fetchall()
    assert lending == []
