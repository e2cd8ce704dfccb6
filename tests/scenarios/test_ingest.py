"""Documents by file: what comes through `tripartite ingest`, what is set aside and why, and that nothing is lost."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from cli.embedded_home import embedded_home, rows
from connectors.documents import builder
from tripartite.cli.ingest import ingest
from tripartite.cli.running import NotReady, Running, load
from tripartite.runtime.auth import create_token
from tripartite.runtime.settings import Settings

OURS = builder.BUYER.replace("DE222222222", "DE812345673").replace("Mill AG", "Norddal GmbH")
Take = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def home() -> Iterator[Settings]:
    with embedded_home() as settings:
        yield settings


@pytest.fixture
def take(home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Take:
    """Write files, take their folder in, and give the exit status and what became of each file by its name."""

    def run(**files: bytes) -> tuple[int, dict[str, dict[str, Any]]]:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        capsys.readouterr()
        status = ingest(home, [tmp_path], "einvoice", json=True)
        told = json.loads(capsys.readouterr().out)["files"]
        return status, {entry["path"].removeprefix(f"{tmp_path}/"): entry for entry in told}

    return run


def bill(number: str, **more: Any) -> bytes:
    """An ordinary invoice to our company; each test gives its own numbers, since all share one database."""
    return builder.invoice(number=number, **more).replace(builder.BUYER.encode(), OURS.encode())


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_an_invoice_by_file_is_decided_and_says_what_it_became(take: Take) -> None:
    status, told = take(**{"a.xml": bill("ING-1")})
    entry = told["a.xml"]
    assert (status, entry["disposition"], entry["format"]) == (0, "applied", "ubl.invoice")
    assert entry["object"] == {"kind": "invoice", "key": "ING-1"}
    assert (entry["company_code"], entry["state"]) == ("DE01", "held")
    assert {"supplier.unknown", "reference.order_unknown"} <= set(entry["reason_codes"])


def test_what_cannot_be_read_is_set_aside_with_its_reason_and_its_neighbours_go_on(take: Take) -> None:
    doctype = b'<!DOCTYPE x [<!ENTITY a "b">]>' + bill("ING-DOC").partition(b"?>")[2]
    status, told = take(
        **{
            "broken.xml": bill("ING-BROKEN")[:-30],
            "doctype.xml": doctype,
            "empty.xml": b"",
            "order.json": b'{"number": "1"}',
            "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(50),
            "statement.xml": builder.ubl("<cbc:ID>1</cbc:ID>", "Statement"),
            "amount.xml": bill("ING-FINE").replace(b">47.60<", b">47.601<"),
            "good.xml": bill("ING-GOOD"),
        }
    )
    assert status == 1
    assert {name: (entry["disposition"], entry["reason_code"]) for name, entry in told.items()} == {
        "broken.xml": ("rejected", "intake.malformed"),
        "doctype.xml": ("quarantined", "intake.doctype_refused"),
        "empty.xml": ("rejected", "intake.malformed"),
        "order.json": ("quarantined", "intake.type_not_supported"),
        "picture.png": ("quarantined", "intake.type_not_supported"),
        "statement.xml": ("quarantined", "intake.type_not_supported"),
        "amount.xml": ("rejected", "intake.amount_invalid"),
        "good.xml": ("applied", ""),
    }
    places = {name: entry["pointer"] for name, entry in told.items()}
    assert places.pop("broken.xml").startswith("line ")
    assert places == {
        "doctype.xml": "byte 0",
        "empty.xml": "/",
        "order.json": "/",
        "picture.png": "/",
        "statement.xml": "/Statement",
        "amount.xml": "/Invoice/cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount",
        "good.xml": "",
    }
    taken_for = {name: told[name]["format"] for name in ("amount.xml", "order.json", "picture.png")}
    assert taken_for == {"amount.xml": "ubl.invoice", "order.json": "canonical.json", "picture.png": "image/png"}


def test_every_byte_comes_back_by_its_digest_also_what_was_refused(home: Settings, take: Take, tmp_path: Path) -> None:
    take(**{"one.xml": bill("ING-RAW"), "two.xml": b"<not", "three.zip": zipped(**{"in.xml": bill("ING-RAW-2")})})
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert rows(home, "SELECT content FROM gateway.raw WHERE digest = %s", (digest,)) == [(content,)], path.name


def test_a_twin_is_a_duplicate_of_the_first_and_is_decided_once(home: Settings, take: Take) -> None:
    content = bill("ING-TWIN")
    status, told = take(**{"first.xml": content, "second.xml": content})
    assert status == 0
    assert {entry["disposition"] for entry in told.values()} == {"applied", "duplicate"}
    twin = next(entry for entry in told.values() if entry["disposition"] == "duplicate")
    assert (twin["reason_code"], twin["object"]["key"], twin["state"]) == ("duplicate.event", "ING-TWIN", "held")
    again, told = take()
    assert (again, {entry["disposition"] for entry in told.values()}) == (0, {"duplicate"})
    assert rows(home, "SELECT count(*) FROM invoices.invoice WHERE number = 'ING-TWIN'") == [(1,)]


def test_an_archive_gives_each_file_in_it_a_disposition_of_its_own(home: Settings, take: Take) -> None:
    status, told = take(
        **{
            "month.zip": zipped(**{"a/one.xml": bill("ING-Z1"), "a/two.xml": bill("ING-Z2"), "note.txt": b"hello"}),
            "single.xml.gz": gzip.compress(bill("ING-GZ")),
        }
    )
    assert status == 1
    assert {name: (entry["disposition"], entry["object"]["key"]) for name, entry in told.items()} == {
        "month.zip!a/one.xml": ("applied", "ING-Z1"),
        "month.zip!a/two.xml": ("applied", "ING-Z2"),
        "month.zip!note.txt": ("quarantined", ""),
        "single.xml.gz": ("applied", "ING-GZ"),
    }
    assert told["single.xml.gz"]["digest"] == hashlib.sha256(bill("ING-GZ")).hexdigest()
    archives = rows(home, "SELECT disposition, format FROM gateway.intake WHERE name IN ('month.zip', 'single.xml.gz')")
    assert sorted(archives) == [("applied", "gzip"), ("applied", "zip")], "the archive itself is kept too"


def test_an_archive_that_leads_out_of_its_folder_is_refused_as_a_whole(home: Settings, take: Take) -> None:
    status, told = take(**{"out.zip": zipped(**{"fine.xml": bill("ING-OUT"), "../../etc/passwd": b"x"})})
    assert status == 1
    assert told["out.zip"]["reason_code"] == "intake.path_refused"
    assert told["out.zip"]["disposition"] == "quarantined"
    assert rows(home, "SELECT count(*) FROM invoices.invoice WHERE number = 'ING-OUT'") == [(0,)]


def test_an_archive_in_an_archive_is_not_opened(take: Take) -> None:
    _, told = take(**{"nested.zip": zipped(**{"inner.zip": zipped(**{"x.xml": bill("ING-IN")})})})
    assert told["nested.zip"]["reason_code"] == "intake.too_large"


ODD = {
    "no-lines": {"lines": ""},
    "no-totals": {"totals": ""},
    "no-taxes": {"taxes": ""},
    "zero-quantity": {"lines": builder.line(quantity="0", amount="0.00")},
    "zero-amount": {"lines": builder.line(quantity="10", price="0.00", amount="0.00")},
    "negative": {"lines": builder.line(quantity="-10", amount="-40.00")},
    "far-past": {"issued_on": "1902-01-01"},
    "far-future": {"issued_on": "2199-12-31"},
    "no-order": {"order": ""},
    "odd-currency": {"currency": "ISK"},
    "huge-number": {"order": "4" * 120},
    "unknown-type": {"type_code": "999"},
    "credit": {"root": "CreditNote", "type_code": "381"},
    "correction": {"type_code": "384"},
    "strange-tax": {
        "lines": builder.line().replace("<cbc:ID>S</cbc:ID>", "<cbc:ID>L</cbc:ID>"),
        "taxes": builder.TAXES.replace("<cbc:ID>S</cbc:ID>", "<cbc:ID>L</cbc:ID>"),
    },
    "large-sum": {
        "lines": builder.line(quantity="1", price="999999999999.99", amount="999999999999.99"),
        "totals": builder.TOTALS.replace("40.00", "999999999999.99"),
    },
    "long-words": {"head": f"<cbc:Note>{'word ' * 20_000}</cbc:Note>"},
}


def test_an_odd_invoice_is_decided_or_refused_and_never_gets_stuck(home: Settings, take: Take) -> None:
    status, told = take(**{f"{name}.xml": bill(f"ODD-{name}", **fields) for name, fields in ODD.items()})
    assert status in (0, 1)
    for name, entry in told.items():
        if entry["disposition"] == "applied":
            assert entry["state"] in ("held", "parked", "approval", "refused"), (name, entry)
            assert entry["reason_codes"], name
        else:
            assert entry["reason_code"].startswith("intake."), (name, entry)
            assert entry["pointer"].startswith("/Invoice"), name
    assert {name for name, entry in told.items() if entry["disposition"] != "applied"} <= {
        "no-order.xml",
        "odd-currency.xml",
        "far-past.xml",
        "far-future.xml",
    }
    assert rows(home, "SELECT consumer, topic, detail FROM bus.quarantine") == []


def test_an_invoice_without_a_date_or_with_a_large_picture_is_decided(home: Settings, take: Take) -> None:
    picture = "QUJD" * 700_000
    attached = (
        "<cac:AdditionalDocumentReference><cbc:ID>scan</cbc:ID><cac:Attachment>"
        f'<cbc:EmbeddedDocumentBinaryObject mimeCode="image/png" filename="a.png">{picture}'
        "</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>"
    )
    undated = bill("ODD-undated").replace(b"<cbc:IssueDate>2026-03-09</cbc:IssueDate>", b"")
    status, told = take(**{"undated.xml": undated, "picture.xml": bill("ODD-picture", head=attached)})
    assert (status, {entry["state"] for entry in told.values()} <= {"held", "refused"}) == (0, True)
    assert rows(home, "SELECT consumer, topic, detail FROM bus.quarantine") == []


def test_every_decided_invoice_has_a_decision_and_no_vendor_was_called(home: Settings, take: Take) -> None:
    take(**{"a.xml": bill("ING-LAST")})
    undecided = rows(
        home,
        """SELECT number FROM invoices.invoice i WHERE NOT EXISTS
        (SELECT 1 FROM invoices.decision d WHERE d.invoice_id = i.invoice_id)""",
    )
    assert undecided == []
    assert rows(home, "SELECT DISTINCT act FROM deliveries.attempt") == []
    # The order it names is sought by whoever has the connections; nobody says here that it does not exist.
    assert rows(home, "SELECT count(*) > 0 FROM gateway.ask") == [(True,)]
    assert rows(home, "SELECT count(*) FROM bus.message WHERE topic = 'intake.answers'") == [(0,)]


def test_a_file_that_is_not_there_is_a_mistake_of_the_caller(home: Settings, tmp_path: Path) -> None:
    assert ingest(home, [tmp_path / "nowhere.xml"], "einvoice", json=True) == 2
    assert ingest(home, [tmp_path], "einvoice", json=True) == 2, "an empty folder holds nothing to take in"
    (tmp_path / "a.xml").write_bytes(bill("ING-NOWHERE"))
    assert ingest(home, [tmp_path], "no-such-connection", json=True) == 2
    with pytest.raises(NotReady):
        ingest(msgspec.structs.replace(home, estate=tmp_path / "mine.toml"), [tmp_path], "einvoice", json=True)


def test_people_are_shown_a_table_with_the_sum_at_its_end(
    home: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.xml").write_bytes(b"<a>\x1b[31m")
    (tmp_path / ".hidden.xml").write_bytes(b"left out")
    (tmp_path / "good.xml").write_bytes(bill("ING-SHOWN"))
    capsys.readouterr()
    assert ingest(home, [tmp_path], "einvoice", json=False) == 1
    out = capsys.readouterr().out
    assert "ING-SHOWN" in out
    assert "intake.malformed line 1" in out
    assert "\x1b" not in out
    assert out.rstrip().endswith("2 documents: 1 rejected, 1 applied")


async def test_an_archive_by_http_is_answered_with_a_receipt_for_each_member(
    home: Settings, unused_ports: Callable[[int], list[int]]
) -> None:
    estate, pack = load(home.home / "estate" / "estate.toml")
    settings = msgspec.structs.replace(home, port=unused_ports(1)[0])
    async with Running(settings, estate, pack, connect=False) as running:
        async with running.process.db.connection() as connection:
            token = await create_token(connection, name="by http", permissions=("intake.write",))
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", trust_env=False) as http:
            answer = await http.post(
                "/v1/intake/einvoice",
                content=zipped(**{"a.xml": bill("HTTP-1"), "b.xml": bill("HTTP-2")}),
                headers={
                    "authorization": f"Bearer {token.reveal()}",
                    "content-type": "application/zip",
                    "x-file-name": "two.zip",
                },
            )
    assert answer.status_code == 202, answer.text
    items = answer.json()["items"]
    assert [(item["disposition"], item.get("object_kind", "")) for item in items] == [
        ("applied", "archive"),
        ("waiting", ""),
        ("waiting", ""),
    ]
