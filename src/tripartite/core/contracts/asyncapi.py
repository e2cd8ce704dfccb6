"""The description of our events: an AsyncAPI 3.0 document made from the catalogue and the shapes themselves.

Served at `/v1/asyncapi.json` and printed by `tripartite asyncapi`. A channel is all events about one kind of object; a
message is one event in its CloudEvents envelope. The address of a channel is the subscriber's own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tripartite.core.contracts.cloudevents import MEDIA_TYPE, CloudEvent
from tripartite.core.contracts.published import CATALOGUE, Published
from tripartite.core.contracts.schema import exact

VERSION = "1.0.0"  # of the description: the last place for words, the middle for what is added
REF = "#/components/schemas/{name}"
_HEADERS = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string", "description": "The same at every attempt; drop what you have seen."},
        "webhook-timestamp": {"type": "string", "pattern": "^[0-9]{1,12}$", "description": "Seconds since 1970, UTC."},
        "webhook-signature": {
            "type": "string",
            "description": "`v1,` and base64 of HMAC-SHA256 over id.timestamp.body; two of them during a rotation.",
        },
    },
}


def asyncapi() -> dict[str, Any]:
    """The document as plain data; the same in every process of one release."""
    kinds = list(dict.fromkeys(each.kind for each in CATALOGUE))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tripartite events",
            "version": VERSION,
            "description": "What Tripartite tells its subscribers: CloudEvents 1.0 in JSON, POSTed one at a time and "
            "signed after Standard Webhooks. At least once; in order for each subject; account numbers are masked.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": MEDIA_TYPE,
        "channels": {kind: _channel(kind) for kind in kinds},
        "operations": {f"send_{kind}_events": _operation(kind) for kind in kinds},
        "components": {
            "schemas": _schemas(),
            "messages": {_name(each): _message(each) for each in CATALOGUE},
            "securitySchemes": {
                "signature": {
                    "type": "httpApiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "Standard Webhooks, symmetric; the secret is agreed beforehand.",
                }
            },
        },
    }


def _name(each: Published) -> str:
    return "".join(part.capitalize() for part in each.short.split(".")) + f"V{each.version}"


def _of(kind: str) -> list[Published]:
    return [each for each in CATALOGUE if each.kind == kind]


def _channel(kind: str) -> dict[str, Any]:
    return {
        "address": None,  # the URL of the subscriber, known to its estate alone
        "title": f"Events about {'an' if kind[0] in 'aeiou' else 'a'} {kind}",
        "messages": {_name(each): {"$ref": f"#/components/messages/{_name(each)}"} for each in _of(kind)},
    }


def _operation(kind: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{kind}"},
        "messages": [{"$ref": f"#/channels/{kind}/messages/{_name(each)}"} for each in _of(kind)],
        "security": [{"$ref": "#/components/securitySchemes/signature"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
    }


def _message(each: Published) -> dict[str, Any]:
    envelope = {"$ref": REF.format(name=CloudEvent.__name__)}
    own = {"type": {"const": each.name}, "data": {"$ref": REF.format(name=each.shape.__name__)}}
    return {
        "name": each.name,
        "title": each.short,
        "summary": each.words,
        "contentType": MEDIA_TYPE,
        "headers": {"$ref": REF.format(name="WebhookHeaders")},
        "payload": {"allOf": [envelope, {"type": "object", "properties": own}]},
    }


def _schemas() -> dict[str, Any]:
    shapes = (CloudEvent, *dict.fromkeys(each.shape for each in CATALOGUE))
    _, found = msgspec.json.schema_components(shapes, schema_hook=exact, ref_template=REF)
    return {**found, "WebhookHeaders": _HEADERS}
