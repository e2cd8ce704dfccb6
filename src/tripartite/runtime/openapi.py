"""What the description of the API adds to what the framework sees: bodies that routes read, and one error shape.

A route that reads its body byte by byte says in `permission(..., body=Shape)` what it takes; one of them or a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, RequestBody

from tripartite.core.contracts.schema import exact

REF = "#/components/schemas/{name}"
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457, with a reason code of the catalogue.",
    "required": ["type", "title", "status", "detail", "instance", "reason_code", "retryable"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "reason_code": {"type": "string"},
        "retryable": {"type": "boolean"},
        "pointer": {"type": "string"},
        "correlation_id": {"type": "string"},
        "next_action": {"type": "string"},
    },
}


def shapes_of(bodies: Iterable[type[Any]]) -> dict[str, Any]:
    """The schemas of these bodies and of all they hold, by name."""
    _, components = msgspec.json.schema_components(tuple(bodies), schema_hook=exact, ref_template=REF)
    return {**components, "Problem": dict(PROBLEM)}


def complete(app: Litestar) -> None:
    """Complete the description of an application, in place."""
    document = app.openapi_schema
    bodies: list[type[Any]] = []
    for route in app.routes:
        item = (document.paths or {}).get(getattr(route, "path_format", ""))
        if item is None:
            continue
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                operation: Operation | None = getattr(item, method.lower(), None)
                if operation is None:
                    continue
                body = handler.opt.get("body")
                describe(operation, body)
                bodies += [body] if body is not None else []
    assert document.components is not None
    for shape in (document.components.schemas or {}).values():
        for field in (getattr(shape, "properties", None) or {}).values():
            _any(field)
    document.components.schemas = {**(document.components.schemas or {}), **shapes_of(dict.fromkeys(bodies))}


def describe(operation: Operation, body: type[Any] | None) -> None:
    """Complete a route's description: every error is a problem, and `body` is what it takes, one or a list."""
    problem = {"application/problem+json": OpenAPIMediaType(schema=_ref("Problem"))}
    found = {
        status: response for status, response in (operation.responses or {}).items() if status.startswith(("2", "3"))
    }
    for response in found.values():
        _loosen(response)
    operation.responses = {**found, "default": OpenAPIResponse("Anything unhappy.", content=problem)}
    if body is not None:
        one = _ref(body.__name__)
        either: Any = {"oneOf": [one, {"type": "array", "items": one, "minItems": 1}]}
        operation.request_body = RequestBody({"application/json": OpenAPIMediaType(schema=either)}, required=True)


def _any(field: Any) -> None:
    """A number of ours that may be missing: the framework knows our numbers as anything, and null is anything too."""
    if getattr(field, "one_of", None):
        field.any_of, field.one_of = field.one_of, None


def _ref(name: str) -> Any:
    return {"$ref": REF.format(name=name)}


def _loosen(response: Any) -> None:
    """A route that writes its own bytes says nothing of their shape; the framework takes them for a text."""
    for media in (getattr(response, "content", None) or {}).values():
        schema = media.schema
        if getattr(schema, "type", None) is not None and str(getattr(schema.type, "value", schema.type)) == "string":
            media.schema = {}
