"""Every name we send or read is one of AvaTax's models (facts beside the samples)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tripartite.connectors.avalara import wire
from tripartite.connectors.avalara.client import RATE_LIMITS
from tripartite.connectors.avalara.transform import DOCUMENT_TYPE, STATUSES

MODELS: dict[type[msgspec.Struct], str] = {
    wire.CreateTransaction: "CreateTransactionModel",
    wire.Item: "LineItemModel",
    wire.Places: "AddressesModel",
    wire.Place: "AddressLocationInfo",
    wire.Transaction: "TransactionModel",
    wire.Line: "TransactionLineModel",
    wire.Detail: "TransactionLineDetailModel",
    wire.Message: "AvaTaxMessage",
    wire.Ping: "PingResultModel",
    wire.ErrorInfo: "ErrorInfo",
    wire.ErrorDetail: "ErrorDetail",
}


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    samples = os.environ.get("TRIPARTITE_SAMPLES")
    if not samples:
        pytest.skip("TRIPARTITE_SAMPLES is not set")
    path = Path(samples).parent / "vendors" / "metadata" / "tax-engines" / "avatax-models.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.samples
@pytest.mark.parametrize("shape", MODELS, ids=lambda shape: shape.__name__)
def test_every_name_is_one_of_the_models(facts: dict[str, Any], shape: type[msgspec.Struct]) -> None:
    documented = {name.rstrip("*") for name in facts["models"][MODELS[shape]]}
    assert set(shape.__struct_encode_fields__) <= documented


@pytest.mark.samples
def test_what_a_model_demands_is_always_sent(facts: dict[str, Any]) -> None:
    for shape in (wire.CreateTransaction, wire.Item):
        demanded = {name.rstrip("*") for name in facts["models"][MODELS[shape]] if name.endswith("*")}
        optional = {field.encode_name for field in msgspec.structs.fields(shape) if not field.required}
        assert demanded
        assert not demanded & optional


@pytest.mark.samples
def test_every_status_and_type_is_in_our_tables(facts: dict[str, Any]) -> None:
    enums = facts["enums"]
    assert set(enums["DocumentStatus"]) - {"Any"} <= set(STATUSES)
    assert DOCUMENT_TYPE in enums["DocumentType"]
    assert set(str(enums).replace("'", " ").replace(",", " ").split()) >= RATE_LIMITS
