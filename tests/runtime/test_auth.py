"""Who comes in: tokens of machines, accounts of people, and what neither may do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audit_bench import Books, books, postgres, worker_id_or_main
from tripartite.runtime import auth, passwords
from tripartite.runtime.auth import (
    LoggedIn,
    LoginRefused,
    Principal,
    Tokens,
    choose_password,
    create_account,
    create_token,
    csrf_token,
    disable_account,
    log_in,
    log_out,
    new_token,
    reset_password,
    revoke_tokens,
    step_up,
    token_hash,
    verify_session,
    verify_token,
)
from tripartite.runtime.passwords import hash_password, password_holds, password_trouble

__all__ = ["books", "postgres", "worker_id_or_main"]

GOOD = "correct horse battery staple"


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost a thousandth, so that the tests of behaviour stay quick; the cost itself has its own test."""
    monkeypatch.setattr(passwords, "_COST", {"n": 16, "r": 8, "p": 1})
    auth._nobody.cache_clear()


# Values


def test_a_token_has_256_random_bits_and_says_whose_kind_it_is() -> None:
    seen = {new_token().reveal() for _ in range(100)}
    assert len(seen) == 100
    assert all(token.startswith("tpt_") and len(token) == 47 for token in seen)
    assert new_token("tpt", bytes).reveal() == "tpt_" + "A" * 43
    assert "AAAA" not in repr(new_token("tpt", bytes))


def test_a_password_costs_memory_and_time_and_its_hash_says_how_much() -> None:
    stored = hash_password(GOOD, bytes)
    assert stored.startswith("scrypt$32768$8$3$" + "00" * 16 + "$")
    assert GOOD not in stored
    assert password_holds(GOOD, stored)
    assert not password_holds(GOOD + " ", stored)


@settings(max_examples=40, deadline=None)
@given(password=st.text(max_size=40), other=st.text(max_size=40))
def test_a_password_holds_for_itself_and_for_no_other(password: str, other: str) -> None:
    import unicodedata

    cost = passwords._COST
    passwords._COST = {"n": 4, "r": 1, "p": 1}
    try:
        stored = hash_password(password)
    finally:
        passwords._COST = cost
    assert password_holds(password, stored)
    same = unicodedata.normalize("NFC", password) == unicodedata.normalize("NFC", other)
    assert password_holds(other, stored) == same


def test_a_password_typed_composed_or_decomposed_is_the_same() -> None:
    assert passwords.prepared("Mu\u0308nchen") == passwords.prepared("M\u00fcnchen")


@pytest.mark.parametrize(
    "password", ["", "short", "x" * 257, "aaaaaaaaaaaaaaaa", "123123123123123", "my anna.berg password"]
)
def test_weak_passwords_are_named_as_such(password: str) -> None:
    assert password_trouble(password, "Anna.Berg")


def test_a_long_sentence_is_a_password() -> None:
    assert password_trouble(GOOD, "anna.berg") == ""


def test_default_is_deny() -> None:
    nobody = Principal("x", "person", frozenset())
    assert not nobody.may("hold.release")
    assert nobody.sees("DE01")
    bound = Principal("x", "person", frozenset({"hold.release"}), frozenset({"DE01"}))
    assert bound.may("hold.release")
    assert not bound.may("hold.releases")
    assert (bound.sees("DE01"), bound.sees("PL02")) == (True, False)
    assert not Principal("x", "person", frozenset(), frozenset()).sees("DE01")


@pytest.mark.parametrize("permission", sorted(auth.PERSON_ONLY))
def test_a_machine_cannot_approve_whatever_it_was_given(permission: str) -> None:
    assert Principal("anna", "person", frozenset({permission})).may(permission)
    assert not Principal("robot", "machine", frozenset({permission})).may(permission)
    assert not Principal("system", "system", frozenset({permission})).may(permission)


def test_a_forms_token_belongs_to_one_session() -> None:
    assert csrf_token("tps_a") == csrf_token("tps_a") != csrf_token("tps_b")
    assert "tps_a" not in csrf_token("tps_a")


# Tokens


async def test_a_token_is_known_by_its_hash_and_carries_its_rights(books: Books) -> None:
    async with books.database.connection() as connection:
        token = await create_token(
            connection, name="wms", permissions=["receipt.write", "order.read"], companies=["DE01"]
        )
    async with books.database.connection() as connection:
        assert await verify_token(connection, token.reveal()) == Principal(
            "wms", "machine", frozenset({"receipt.write", "order.read"}), frozenset({"DE01"})
        )
        for wrong in ("", "tpt_", token.reveal() + "x", token.reveal().lower(), "\ud800"):
            assert await verify_token(connection, wrong) is None
    rows = await books.database.rows("SELECT token_hash, companies FROM auth.token")
    assert rows == [(token_hash(token.reveal()), ["DE01"])]


async def test_a_token_ends_when_it_expires_or_is_revoked(books: Books) -> None:
    async with books.database.connection() as connection:
        old = await create_token(
            connection, name="old", permissions=[], expires_at=datetime.now(UTC) - timedelta(seconds=1)
        )
        live = await create_token(
            connection, name="live", permissions=[], expires_at=datetime.now(UTC) + timedelta(hours=1)
        )
        assert await verify_token(connection, old.reveal()) is None
        assert await verify_token(connection, live.reveal()) is not None
        assert await revoke_tokens(connection, "live") == 1
        assert await verify_token(connection, live.reveal()) is None
        assert await revoke_tokens(connection, "live") == 0


async def test_a_token_with_an_approval_is_not_made(books: Books) -> None:
    async with books.database.connection() as connection:
        with pytest.raises(ValueError, match=r"payment\.release"):
            await create_token(connection, name="robot", permissions=["order.read", "payment.release"])
    assert await books.database.rows("SELECT count(*) FROM auth.token") == [(0,)]


async def test_a_revoked_token_lives_no_longer_than_the_cache(books: Books) -> None:
    now = 100.0
    tokens = Tokens(books.database, clock=lambda: now)
    async with books.database.connection() as connection:
        token = (await create_token(connection, name="wms", permissions=["a"])).reveal()
    assert (await tokens.verify(token)) is not None
    async with books.database.connection() as connection:
        await revoke_tokens(connection, "wms")
    now = 104.9
    assert (await tokens.verify(token)) is not None
    now = 105.0
    assert (await tokens.verify(token)) is None
    assert (await tokens.verify("x" * 201)) is None
    with pytest.raises(AssertionError):
        Tokens(books.database, seconds=60)


async def test_a_known_token_costs_no_query(books: Books) -> None:
    tokens = Tokens(books.database)
    async with books.database.connection() as connection:
        token = (await create_token(connection, name="wms", permissions=["a"])).reveal()
    first = await tokens.verify(token)
    wrong = await tokens.verify("tpt_wrong")
    await books.database.close()
    assert await tokens.verify(token) == first
    assert await tokens.verify("tpt_wrong") is wrong is None


# People


async def _account(books: Books, **options: object) -> str:
    """An account that has chosen its password; gives nothing that a person would not have."""
    once = await create_account(books.database, name="anna", permissions=["hold.release"], **options)  # type: ignore[arg-type]
    first = await log_in(books.database, "anna", once.reveal())
    assert isinstance(first, LoggedIn)
    chosen = await choose_password(books.database, first.session.reveal(), once.reveal(), GOOD)
    assert isinstance(chosen, LoggedIn)
    return chosen.session.reveal()


@pytest.mark.usefixtures("_quick")
async def test_a_one_time_password_is_good_for_choosing_another_and_nothing_else(books: Books) -> None:
    once = await create_account(books.database, name="anna", permissions=["hold.release"], companies=["DE01"])
    first = await log_in(books.database, "anna", once.reveal())
    assert isinstance(first, LoggedIn)
    assert first.must_choose_password
    assert not first.principal.may("hold.release")
    async with books.database.connection() as connection:
        session = await verify_session(connection, first.session.reveal())
    assert session is not None
    assert session.must_choose_password
    assert not session.principal.may("hold.release")
    assert (
        await choose_password(books.database, first.session.reveal(), "wrong", GOOD) == "The old password is not right."
    )
    assert "old one" in str(await choose_password(books.database, first.session.reveal(), once.reveal(), once.reveal()))
    assert "at least" in str(await choose_password(books.database, first.session.reveal(), once.reveal(), "short"))
    chosen = await choose_password(books.database, first.session.reveal(), once.reveal(), GOOD)
    assert isinstance(chosen, LoggedIn)
    assert chosen.principal == Principal("anna", "person", frozenset({"hold.release"}), frozenset({"DE01"}), "anna")
    async with books.database.connection() as connection:
        assert await verify_session(connection, first.session.reveal()) is None  # every earlier session has ended
        assert await verify_session(connection, chosen.session.reveal()) is not None
    assert await log_in(books.database, "anna", once.reveal()) == LoginRefused("wrong")
    assert isinstance(await log_in(books.database, "anna", GOOD), LoggedIn)


@pytest.mark.usefixtures("_quick")
async def test_a_one_time_password_dies_after_a_day(books: Books) -> None:
    once = await create_account(books.database, name="anna", permissions=[])
    async with books.database.connection() as connection:
        await connection.execute("UPDATE auth.account SET password_until = runtime.tripartite_now() - interval '1 s'")
    assert await log_in(books.database, "anna", once.reveal()) == LoginRefused("wrong")
    again = await reset_password(books.database, name="anna")
    assert again is not None
    assert isinstance(await log_in(books.database, "anna", again.reveal()), LoggedIn)
    assert await reset_password(books.database, name="nobody") is None


@pytest.mark.usefixtures("_quick")
async def test_five_wrong_passwords_make_even_the_right_one_wait(books: Books) -> None:
    await _account(books)
    for _ in range(5):
        assert await log_in(books.database, "anna", "wrong") == LoginRefused("wrong")
    refused = await log_in(books.database, "anna", GOOD)
    assert isinstance(refused, LoginRefused)
    assert refused.reason == "throttled"
    assert 0 < refused.after_seconds <= 15 * 60
    async with books.database.connection() as connection:
        await connection.execute("UPDATE auth.attempt SET at = at - interval '15 minutes 1 second'")
    assert isinstance(await log_in(books.database, "anna", GOOD), LoggedIn)
    assert await books.database.rows("SELECT count(*) FROM auth.attempt") == [(0,)]


@pytest.mark.usefixtures("_quick")
async def test_many_attempts_at_once_count_as_many(books: Books) -> None:
    await _account(books)
    answers = await asyncio.gather(*(log_in(books.database, "anna", f"wrong {n}") for n in range(12)))
    reasons = sorted(answer.reason for answer in answers if isinstance(answer, LoginRefused))
    assert reasons == ["throttled"] * 7 + ["wrong"] * 5


@pytest.mark.usefixtures("_quick")
async def test_an_attempt_waits_for_the_one_before_it_to_be_counted(books: Books) -> None:
    await _account(books)
    for _ in range(4):
        await log_in(books.database, "anna", "wrong")
    async with books.database.connection() as fifth:
        await auth._enter_attempt(fifth, "anna", "")
        sixth = asyncio.create_task(log_in(books.database, "anna", "wrong"))
        await asyncio.sleep(0.1)
        assert not sixth.done()
    answer = await sixth
    assert isinstance(answer, LoginRefused)
    assert answer.reason == "throttled"


@pytest.mark.usefixtures("_quick")
async def test_names_that_do_not_exist_are_refused_and_throttled_the_same(books: Books) -> None:
    answers = [await log_in(books.database, "nobody", "x") for _ in range(6)]
    assert answers[:5] == [LoginRefused("wrong")] * 5
    assert isinstance(answers[5], LoginRefused)
    assert answers[5].reason == "throttled"


@pytest.mark.usefixtures("_quick")
async def test_one_source_that_tries_many_names_is_throttled(books: Books) -> None:
    await _account(books)
    for number in range(50):
        assert await log_in(books.database, f"name {number}", "x", source="198.51.100.7") == LoginRefused("wrong")
    refused = await log_in(books.database, "anna", GOOD, source="198.51.100.7")
    assert isinstance(refused, LoginRefused)
    assert refused.reason == "throttled"
    assert isinstance(await log_in(books.database, "anna", GOOD, source="198.51.100.8"), LoggedIn)


@pytest.mark.usefixtures("_quick")
async def test_an_endless_password_is_not_hashed(books: Books) -> None:
    await _account(books)
    assert await log_in(books.database, "anna", "x" * 10_000_000) == LoginRefused("wrong")


@pytest.mark.usefixtures("_quick")
async def test_a_session_ends_by_logging_out_by_age_and_by_idleness(books: Books) -> None:
    async def alive(session: str) -> bool:
        async with books.database.connection() as connection:
            return await verify_session(connection, session) is not None

    session = await _account(books)
    assert await alive(session)
    for change in (
        "seen_at = runtime.tripartite_now() - interval '31 minutes'",
        "expires_at = runtime.tripartite_now() - interval '1 second'",
    ):
        answer = await log_in(books.database, "anna", GOOD)
        assert isinstance(answer, LoggedIn)
        async with books.database.connection() as connection:
            await connection.execute(
                f"UPDATE auth.session SET {change} WHERE session_hash = %s".encode(),
                (token_hash(answer.session.reveal()),),
            )
        assert not await alive(answer.session.reveal())
    async with books.database.connection() as connection:
        await log_out(connection, session)
    assert not await alive(session)
    assert not await alive("tps_unknown")


@pytest.mark.usefixtures("_quick")
async def test_using_a_session_keeps_it_alive(books: Books) -> None:
    session = await _account(books)
    async with books.database.connection() as connection:
        await connection.execute("UPDATE auth.session SET seen_at = runtime.tripartite_now() - interval '29 minutes'")
    async with books.database.connection() as connection:
        assert await verify_session(connection, session) is not None
    rows = await books.database.rows(
        "SELECT seen_at > runtime.tripartite_now() - interval '1 minute' FROM auth.session WHERE ended_at IS NULL"
    )
    assert rows == [(True,)]


@pytest.mark.usefixtures("_quick")
async def test_a_leaver_is_out_at_once(books: Books) -> None:
    session = await _account(books)
    async with books.database.connection() as connection:
        assert await disable_account(connection, "anna")
        assert not await disable_account(connection, "anna")
        assert await verify_session(connection, session) is None
    assert await log_in(books.database, "anna", GOOD) == LoginRefused("wrong")
    assert await reset_password(books.database, name="anna") is None


@pytest.mark.usefixtures("_quick")
async def test_a_release_asks_for_the_password_once_more(books: Books) -> None:
    session = await _account(books)

    async def fresh() -> bool:
        async with books.database.connection() as connection:
            known = await verify_session(connection, session)
        assert known is not None
        return known.stepped_up

    assert await fresh()
    async with books.database.connection() as connection:
        await connection.execute(
            "UPDATE auth.session SET stepped_up_at = runtime.tripartite_now() - interval '5 minutes 1 second'"
        )
    assert not await fresh()
    assert not await step_up(books.database, session, "wrong")
    assert not await fresh()
    assert await step_up(books.database, session, GOOD)
    assert await fresh()
    assert not await step_up(books.database, "tps_unknown", GOOD)


@pytest.mark.usefixtures("_quick")
async def test_two_accounts_of_one_person_are_one_person(books: Books) -> None:
    await _account(books, person="p_anna_berg")
    second = await create_account(books.database, name="anna-admin", permissions=[], person="p_anna_berg")
    one = await log_in(books.database, "anna", GOOD)
    other = await log_in(books.database, "anna-admin", second.reveal())
    assert isinstance(one, LoggedIn)
    assert isinstance(other, LoggedIn)
    assert one.principal.person == other.principal.person == "p_anna_berg"


@pytest.mark.usefixtures("_quick")
async def test_a_name_is_given_once(books: Books) -> None:
    await create_account(books.database, name="anna", permissions=[])
    with pytest.raises(psycopg.errors.UniqueViolation):
        await create_account(books.database, name="anna", permissions=[])


@pytest.mark.usefixtures("_quick")
async def test_nothing_in_the_tables_lets_anyone_in(books: Books) -> None:
    session = await _account(books)
    async with books.database.connection() as connection:
        token = (await create_token(connection, name="wms", permissions=[])).reveal()
    stored = ""
    for table in ("token", "account", "session", "attempt"):
        stored += str(await books.database.rows(f"SELECT t::text FROM auth.{table} t"))
    for secret in (session, token, GOOD):
        assert secret not in stored
        assert secret.split("_")[-1] not in stored
