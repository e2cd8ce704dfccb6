"""Whatever the bytes: a reader answers with a value or a refusal, and never with anything that flies."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.iso20022_bank.bank_bench import World, order, owed, payment
from tripartite.connectors.iso20022_bank.transform import READERS, parts
from tripartite.core import codec
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

CODES = {
    *("intake.malformed", "intake.ambiguous", "intake.amount_invalid", "intake.value_out_of_range"),
    *("intake.too_large", "intake.type_not_supported", "intake.doctype_refused", "intake.active_content"),
    *("integration.schema_violated", "integration.contract_drifted"),
}


def made(version: str) -> dict[str, bytes]:
    """One file of each type that the bench sends."""
    world = World({"version": version})
    world.fault("transfer", "rjct.transfer")

    async def play() -> None:
        await world.client.submit([owed(order("ORD-1", *(payment(f"PAY-{n}", "10.00", place=n) for n in range(3))))])
        world.done()
        world.bench.arrange({"returns": [{"end_to_end_id": "PAY-1"}], "end_of_day": True})

    asyncio.run(play())
    return {file.type: file.content for file in world.bench.files}


GOOD = {**made("old"), **made("new")}


@st.composite
def bent(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file with some of its elements removed, doubled, moved, emptied, renamed, or with its bytes changed."""
    kind = draw(st.sampled_from(sorted(GOOD)))
    root = etree.fromstring(GOOD[kind])
    for _ in range(draw(st.integers(0, 3))):
        elements = [each for each in root.iter("*") if each.getparent() is not None]
        if not elements:
            break
        target = draw(st.sampled_from(elements))
        parent = target.getparent()
        assert parent is not None
        match draw(st.sampled_from(["remove", "double", "move", "text", "comment", "rename", "attribute"])):
            case "remove":
                parent.remove(target)
            case "double":
                parent.append(etree.fromstring(etree.tostring(target)))
            case "move":
                draw(st.sampled_from(elements)).append(etree.fromstring(etree.tostring(target)))
            case "text":
                target.text = draw(st.text(alphabet="0123456789.-+eE NaRJCTBOK:TZ\u0661é", max_size=40))
            case "comment":
                target.append(etree.Comment("x"))
            case "rename":
                other = draw(st.sampled_from(elements))
                target.tag = other.tag
            case _:
                target.set("Ccy", draw(st.sampled_from(["", "EUR", "USD", "JPY", "XXX", "eur"])))
    content = bytearray(etree.tostring(root))
    for _ in range(draw(st.integers(0, 2))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return kind, bytes(content)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(bent())
def test_a_bent_file_is_read_or_refused(given_file: tuple[str, bytes]) -> None:
    kind, content = given_file
    reader = READERS["payment_report" if kind.startswith("pain") else "bank_statement"]
    for part in parts(content):
        result = reader(Raw(part, "application/xml"))
        if isinstance(result, Unreadable):
            assert result.reason_code in CODES
            assert result.pointer
        else:
            assert codec.decode(codec.encode(result.value), type(result.value)) == result.value


@pytest.mark.parametrize("name", sorted(GOOD))
def test_the_unbent_file_is_read(name: str) -> None:
    reader = READERS["payment_report" if name.startswith("pain") else "bank_statement"]
    assert isinstance(reader(Raw(GOOD[name], "application/xml")), ReadResult)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    for reader in READERS.values():
        assert isinstance(reader(Raw(content, "application/xml")), Unreadable)
