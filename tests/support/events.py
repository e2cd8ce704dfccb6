"""What our events must look like from outside: AsyncAPI's official schema, and our own description of each event."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from tripartite.core import codec
from tripartite.core.contracts.asyncapi import asyncapi

_META = Path(__file__).resolve().parent.parent / "fixtures" / "asyncapi" / "3.0.0.json.gz"


@cache
def official() -> Any:
    """The validator of AsyncAPI 3.0 documents, made from the schema that its authors publish."""
    return jsonschema_rs.validator_for(json.loads(gzip.decompress(_META.read_bytes())))


@cache
def _described() -> Any:
    return json.loads(codec.encode(asyncapi()))


@cache
def described(name: str) -> Any:
    """The validator of one event as the AsyncAPI document describes it, found by its name on the wire."""
    document = _described()
    message = next(each for each in document["components"]["messages"].values() if each["name"] == name)
    return jsonschema_rs.validator_for({**message["payload"], "components": document["components"]})


def faults(event: dict[str, Any]) -> list[str]:
    """What in an event does not fit its description."""
    found = described(event["type"]).iter_errors(event)
    return [f"{'/'.join(map(str, each.instance_path))}: {each.message}"[:300] for each in found]
