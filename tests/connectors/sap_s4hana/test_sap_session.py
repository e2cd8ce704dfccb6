"""The way to SAP: credentials, the CSRF token with its session, and that no secret is shown on it."""

from __future__ import annotations

import asyncio

import msgspec

from connectors.sap_s4hana.sap_bench import PASSWORD, Sap, outbound, posting, ten
from tripartite.runtime.protocol import Answer, Rejected, RetryLater, Settled


async def one(sap: Sap, **changes: object) -> Answer:
    (answer,) = await sap.client.submit([outbound(posting(**changes))])
    return answer


async def test_many_callers_whose_session_ended_fetch_one_new_token(sap: Sap) -> None:
    assert isinstance(await one(sap), Settled)
    sap.clock += 3600
    sap.http.calls.clear()
    answers = await asyncio.gather(*(sap.client.submit([item]) for item in ten()))
    assert all(isinstance(answer, Settled) for (answer,) in answers)
    assert sap.http.calls.count("csrf") == 1
    assert len(sap.ledger()) == 11


async def test_a_session_refused_twice_is_not_asked_for_forever(sap: Sap) -> None:
    sap.fault("post_invoice", "csrf", times=-1)
    assert await one(sap) == RetryLater("the CSRF token was refused twice", None)
    assert sap.http.calls.count("csrf") == 2


async def test_an_expired_oauth_token_is_renewed_once_for_all() -> None:
    sap = Sap({"auth": "oauth"}, auth="oauth2_client_credentials")
    assert isinstance(await one(sap), Settled)
    sap.fault("post_invoice", "expire")
    answers = await asyncio.gather(*(sap.client.submit([item]) for item in ten()))
    assert all(isinstance(answer, Settled) for (answer,) in answers)
    assert sap.http.calls.count("token") == 2
    sap.clock += 3600  # near its end it is not even tried
    assert isinstance(await one(sap), Settled)
    assert sap.http.calls.count("token") == 3


async def test_wrong_credentials_hold_the_connection_and_not_the_invoice() -> None:
    sap = Sap({"password": "other"})
    assert await one(sap) == RetryLater("the credentials were refused (401)", None)
    sap = Sap({"auth": "oauth", "client_secret": "other"}, auth="oauth2_client_credentials")
    answer = await one(sap)
    assert isinstance(answer, RetryLater)
    assert answer.reason == "no token: answer 401"


async def test_a_missing_authorisation_is_refused_and_not_repeated(sap: Sap) -> None:
    assert isinstance(await one(sap), Settled)
    original = sap.http.request

    async def forbidden(method: str, url: str, **rest: object) -> object:
        answer = await original(method, url, **rest)
        if method == "POST":
            answer.status_code, answer.content = 403, b"no authorisation"
        return answer

    sap.http.request = forbidden  # type: ignore[method-assign,assignment]
    sap.http.calls.clear()
    answer = await one(sap)
    assert isinstance(answer, Rejected)
    assert answer.code == "http.403"
    assert sap.http.calls == ["post_invoice"]


async def test_secrets_stand_in_no_answer_and_no_representation(sap: Sap) -> None:
    seen: list[str] = [repr(sap.client), str(sap.client), repr(vars(sap.client))]
    for fault in ("reply.5xx", "lie_html", "lock", "commit_then_cut", "csrf"):
        sap.fault("post_invoice", fault)
        seen.append(repr(await one(sap)))
    wrong = Sap({"password": "other"})
    seen += [repr(await one(wrong)), await wrong.client.check(), await sap.client.check()]
    token = next(iter(sap.bench.truth.__self__.door._sessions.values()))[0]  # type: ignore[attr-defined]
    for part in (sap.client._transport, *sap.client._writers.values(), sap.client._reading):
        seen.append(repr(vars(part)))
    text = "\n".join(seen)
    assert PASSWORD not in text
    assert token not in text
    assert "Basic " not in text


async def test_the_check_says_whether_sap_can_be_reached(sap: Sap) -> None:
    assert await sap.client.check() == ("sap-prod: SAP answers and gives a token for API_SUPPLIERINVOICE_PROCESS_SRV")
    sap.http.down = True
    assert await sap.client.check() == "sap-prod: not usable, no CSRF token: connection refused"


async def test_the_tax_country_of_the_connection_stands_beside_every_tax_code() -> None:
    sap = Sap(tax_country="1010=DE,2010=JP")
    sent: list[bytes] = []
    original = sap.http.request

    async def watching(method: str, url: str, **rest: object) -> object:
        if isinstance(content := rest.get("content"), bytes):
            sent.append(content)
        return await original(method, url, **rest)

    sap.http.request = watching  # type: ignore[method-assign,assignment]
    assert isinstance(await one(sap), Settled)
    assert msgspec.json.decode(sent[0])["to_SuplrInvcItemPurOrdRef"][0]["TaxCountry"] == "DE"
