"""Every described route against generated requests: no 500, answers as described, and every error a problem."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3 import HTTPResponse

from support.api import Api
from support.caller import Answer, Caller
from support.house import House
from support.papers import ORDER, SUPPLIER_ID, invoice, order, receipt, requisition, supplier
from tripartite.core.exceptions.reasons import reasons, refusals

HOST = "http://tests"
READ_EXAMPLES, WRITE_EXAMPLES = 4, 10
DROPPED = {"authorization", "content-length", "cookie"}  # the caller of the test brings its own token
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


async def described(api: Api) -> Any:
    answer = await api.nobody.get("/v1/openapi.json")
    assert answer.status == 200
    return schemathesis.openapi.from_dict(answer.json())


def operations(schema: Any, *methods: str) -> Iterator[Any]:
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.method.upper() in methods:
            yield operation


def request_of(case: Case) -> requests.PreparedRequest:
    return requests.Request(**case.as_transport_kwargs(base_url=HOST)).prepare()


def respond(caller: Caller, loop: asyncio.AbstractEventLoop, prepared: requests.PreparedRequest) -> Answer:
    """The application's own answer to the request, asked from the thread in which the examples run."""
    body = prepared.body or b""
    content = body.encode() if isinstance(body, str) else body
    headers = [(name, value) for name, value in prepared.headers.items() if name.lower() not in DROPPED]
    assert prepared.url is not None
    assert prepared.method is not None
    path = prepared.url.removeprefix(HOST)
    asked = caller.call(prepared.method, path, headers=headers, body=content)
    return asyncio.run_coroutine_threadsafe(asked, loop).result(timeout=30)


def judge(case: Case, prepared: requests.PreparedRequest, answer: Answer) -> None:
    response = requests.Response()
    response.status_code, response._content, response.request = answer.status, answer.body, prepared
    response.raw = HTTPResponse(body=answer.body, headers=answer.headers, status=answer.status, preload_content=False)
    response.headers.update(answer.headers)
    response.url = prepared.url or ""
    case.validate_response(response, checks=CHECKS)
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status
        assert problem["reason_code"] in {**reasons(), **refusals()}


async def try_all(caller: Caller, strategies: list[Any], examples: int) -> int:
    """Run generated cases of each strategy in a thread of their own; how many were answered."""
    loop = asyncio.get_running_loop()
    answered = 0

    def run() -> None:
        for strategy in strategies:

            @given(case=strategy)
            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def one(case: Case) -> None:
                nonlocal answered
                prepared = request_of(case)
                judge(case, prepared, respond(caller, loop, prepared))
                answered += 1

            one()

    await asyncio.to_thread(run)
    return answered


async def furnished(house: House) -> dict[str, str]:
    """A house in which there is something to find, and the names under which it is found."""
    await house.bring(supplier(), requisition(), order(), receipt())
    invoice_id = await house.bring_invoice(invoice())
    await house.settle()
    correlation = await house.value("SELECT correlation_id FROM invoices.invoice LIMIT 1")
    return {
        "invoice_id": invoice_id,
        "supplier_id": SUPPLIER_ID,
        "correlation_id": correlation,
        "number": ORDER,
        "connection": "capture",
    }


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["meant", "unmeant"])
async def test_every_question_is_answered_as_described(house: House, api: Api, mode: GenerationMode) -> None:
    known = await furnished(house)
    caller = await api.caller()
    schema = await described(api)
    strategies = []
    for operation in operations(schema, "GET"):
        strategies.append(operation.as_strategy(generation_mode=mode))
        names = {parameter.name for parameter in operation.path_parameters}
        if mode is GenerationMode.POSITIVE and names and names <= known.keys():
            given_names = {name: known[name] for name in names}
            strategies.append(operation.as_strategy(generation_mode=mode, path_parameters=given_names))
    assert len(strategies) > 20
    assert await try_all(caller, strategies, READ_EXAMPLES) >= 2 * len(strategies)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["meant", "unmeant"])
async def test_every_write_takes_or_refuses_what_is_generated(house: House, api: Api, mode: GenerationMode) -> None:
    await furnished(house)
    caller = await api.caller()
    schema = await described(api)
    writes = list(operations(schema, "POST"))
    assert {"/v1/budget-checks", "/v1/invoices"} <= {each.path for each in writes}
    strategies = [each.as_strategy(generation_mode=mode) for each in writes]
    assert await try_all(caller, strategies, WRITE_EXAMPLES) > len(strategies)
    while await house.pump():
        pass  # what was taken in is decided: nothing of it may stop a consumer


async def test_the_description_names_the_shape_of_every_body_and_of_every_error(api: Api) -> None:
    body = (await api.nobody.get("/v1/openapi.json")).json()
    assert body["openapi"].startswith("3.1")
    for path in ("/v1/invoices", "/v1/purchase-orders", "/v1/receipts", "/v1/suppliers", "/v1/budget-checks"):
        content = body["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert content["schema"]["oneOf"][0]["$ref"].rpartition("/")[2] in body["components"]["schemas"], path
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            described_as = operation["responses"]["default"]["content"]
            assert list(described_as) == ["application/problem+json"], (path, method)
    gross = json.dumps(body["components"]["schemas"]["Invoice"]["properties"]["gross"])
    assert '"string"' in gross, "an exact number is a text"
    assert '"number"' not in gross
