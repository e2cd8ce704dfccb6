"""The database itself keeps companies apart: whatever a query forgets, and whatever a caller sends (I30)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from support.api import Api
from support.clones import Clones
from support.house import House
from support.papers import SUPPLIER_ID, invoice, order, receipt, supplier
from support.times import MORNING
from tripartite.core.ids import stable_id
from tripartite.runtime.component import Component
from tripartite.runtime.db import Bounds, Connection, Database, NotBound, bound_to
from tripartite.runtime.postgres import SERVING, WORKER
from tripartite.runtime.process import prepare_database


@asynccontextmanager
async def asked_by(house: House, *companies: str, caller: str = "somebody") -> AsyncIterator[Connection]:
    with bound_to(Bounds(caller, frozenset(companies))):
        async with house.db.connection() as connection:
            yield connection


async def two_companies(house: House) -> None:
    for company in ("DE01", "PL02"):
        await house.bring(supplier(), order(f"O-{company}", company=company))
        await house.bring(receipt(f"R-{company}", "10", of=f"O-{company}", company=company))
        await house.bring(invoice(f"I-{company}", of=f"O-{company}", company=company))
    await house.settle()


async def bound_tables(house: House) -> list[str]:
    """Every table with a company code, from the catalogue."""
    found = await house.rows(
        """SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE a.attname = 'company_code' AND c.relkind = 'r' AND c.relrowsecurity ORDER BY 1"""
    )
    return [row[0] for row in found]


async def test_a_query_without_any_condition_gives_the_callers_companies_alone(house: House) -> None:
    await two_companies(house)
    shown = set()
    for table in await bound_tables(house):
        there = {row[0] for row in await house.rows(f"SELECT DISTINCT company_code FROM {table}")}
        async with asked_by(house, "PL02") as connection:
            seen = {
                row[0]
                for row in await (await connection.execute(f"SELECT company_code FROM {table}".encode())).fetchall()
            }
        assert seen <= {"PL02", "*"} | {code for code in seen if code.startswith("@") and table == "bus.head"}, table
        assert seen >= there & {"PL02"}, table
        if {"DE01", "PL02"} <= there:
            shown.add(table)
    assert shown >= {
        *("audit.leaf", "bus.head", "bus.message", "control.event", "deliveries.delivery", "invoices.allocation"),
        *("invoices.invoice", "invoices.purchase_order", "orders.purchase_order", "receipts.receipt"),
    }, "both companies have rows there, so that the silence means something"


async def test_what_hangs_on_a_row_is_seen_where_the_row_is(house: House) -> None:
    await two_companies(house)
    for table in ("invoices.line", "invoices.decision", "deliveries.attempt"):
        count = await house.value(f"SELECT count(*) FROM {table}")
        async with asked_by(house, "PL02") as connection:
            half = await (await connection.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()
        async with asked_by(house) as connection:
            none = await (await connection.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()
        assert (half, none) == ((count // 2,), (0,)), table


async def test_all_companies_are_seen_by_who_may_see_all_and_none_by_who_did_not_say(house: House) -> None:
    await two_companies(house)
    query = b"SELECT array_agg(DISTINCT company_code ORDER BY company_code) FROM invoices.invoice"
    with bound_to(Bounds("controller", None)):
        async with house.db.connection() as connection:
            assert await (await connection.execute(query)).fetchone() == (["DE01", "PL02"],)
    async with await psycopg.AsyncConnection.connect(house.urls.serving, autocommit=True) as bare:
        assert await (await bare.execute(query)).fetchone() == (None,), "a session that says nothing sees nothing"
    async with asked_by(house, "all") as connection:
        assert await (await connection.execute(query)).fetchone() == (None,), "a code is never taken for the word"


async def test_a_supplier_is_seen_by_the_companies_it_is_for(house: House) -> None:
    await house.bring(
        supplier("1", company_codes=("DE01",)), supplier("2", company_codes=("PL02", "AT04")), supplier("3")
    )
    for table in ("suppliers.supplier", "invoices.supplier"):
        async with asked_by(house, "PL02") as connection:
            found = await connection.execute(f"SELECT supplier_id FROM {table}".encode())
            assert {row[0] for row in await found.fetchall()} == {stable_id("sup", each) for each in ("2", "3")}, table
    async with Api(house) as api:
        stranger = await api.caller(companies=["PL02"])
        assert (await stranger.get("/v1/suppliers/1")).status == 404
        assert (await stranger.get("/v1/suppliers/2")).status == 200
        assert [item["number"] for item in (await stranger.get("/v1/suppliers")).json()["items"]] in (
            ["2", "3"],
            ["3", "2"],
        )
        assert (await stranger.get("/v1/suppliers/1/validation")).json()["findings"][0]["code"] == "supplier.unknown"
    assert SUPPLIER_ID not in {stable_id("sup", each) for each in "123"}


async def test_what_is_asked_for_a_caller_can_write_nothing(house: House) -> None:
    await two_companies(house)
    for text in (
        "UPDATE invoices.invoice SET state = 'posted'",
        "DELETE FROM deliveries.delivery",
        "INSERT INTO bus.cursor (consumer, topic, partition) VALUES ('x', 'y', 'z')",
    ):
        with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)):
            async with asked_by(house, "PL02") as connection:
                await connection.execute(text.encode())
    for table in ("auth.token", "auth.account", "gateway.fetch", "gateway.xref"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with asked_by(house, "PL02") as connection:
                await connection.execute(f"SELECT * FROM {table}".encode())


async def test_bounds_end_with_their_question_and_odd_names_stay_values(house: House) -> None:
    await two_companies(house)
    query = b"""SELECT current_user, coalesce(current_setting('tripartite.companies', true), ''),
        current_setting('tripartite.caller', true)"""
    name = "o'brien\\'; SET ROLE tripartite_app; --"
    async with asked_by(house, "PL02", caller=name) as connection:
        assert await (await connection.execute(query)).fetchone() == (SERVING, "*\nPL02", name)
    async with house.db.connection() as connection:
        row = await (await connection.execute(query)).fetchone()
        assert row is not None
        assert row[:2] == (WORKER, ""), "outside a question the worker's connection is as before"
    async with asked_by(house, "DE01") as connection:
        assert await (await connection.execute(query)).fetchone() == (SERVING, "*\nDE01", "somebody")


async def test_a_question_fails_closed_where_no_role_serves_people(house: House) -> None:
    alone = Database(house.urls.worker, size=2)
    await alone.open()
    try:
        with bound_to(Bounds("somebody", frozenset())):
            asked = alone.connection()
        with pytest.raises(NotBound, match="no role"):
            await asked.__aenter__()
        with pytest.raises(NotBound, match="TRIPARTITE_DATABASE_SERVING_URL"):
            await alone.check_bound()
    finally:
        await alone.close()
    await house.db.check_bound()
    for url, words in ((house.urls.worker, "BYPASSRLS"), (house.urls.owner, "owns tables")):
        wrong = Database(house.urls.worker, size=2, serving=url)
        await wrong.open()
        try:
            with pytest.raises(NotBound, match=words):
                await wrong.check_bound()
        finally:
            await wrong.close()


def test_a_worker_that_row_security_would_blind_does_not_start(clones: Clones) -> None:
    import msgspec

    name = clones.fresh(MORNING)
    urls = clones.urls(name)
    components: tuple[Component, ...] = ()
    try:
        assert prepare_database(urls, components) == []
        with pytest.raises(NotBound, match="BYPASSRLS"):
            prepare_database(msgspec.structs.replace(urls, worker=urls.serving), components)
        owner_works = msgspec.structs.replace(urls, worker=urls.owner)
        assert prepare_database(owner_works, components) == [], "where nobody may give BYPASSRLS, the owner works"
    finally:
        clones.drop(name)
