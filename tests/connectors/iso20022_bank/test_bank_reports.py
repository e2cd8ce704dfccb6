"""What a bank's status report says: three levels, words that repeat and contradict, and what must never be believed."""

from __future__ import annotations

import json

import pytest

from connectors.iso20022_bank.bank_bench import metadata
from tripartite.connectors.iso20022_bank.transform import READERS
from tripartite.connectors.iso20022_bank.transform.words import BOOKED, DUPLICATES, REPORTED, SETTLES
from tripartite.core.objects import PaymentReport, TransferReport
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

VERSIONS = ("pain.002.001.03", "pain.002.001.12")


def document(*blocks: str, group: str = "", version: str = VERSIONS[1], header: str = "") -> bytes:
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>BNK-1</MsgId><CreDtTm>2026-11-20T08:05:00Z</CreDtTm>{header}</GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>ORD-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{group}"
        f"</OrgnlGrpInfAndSts>{''.join(blocks)}</CstmrPmtStsRpt></Document>"
    ).encode()


def block(*transfers: str, status: str = "", number: str = "ORD-1") -> str:
    word = f"<PmtInfSts>{status}</PmtInfSts>" if status else ""
    inner = "".join(transfers)
    return f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{number}</OrgnlPmtInfId>{word}{inner}</OrgnlPmtInfAndSts>"


def transfer(number: str, status: str = "", reason: str = "", more: str = "") -> str:
    word = f"<TxSts>{status}</TxSts>" if status else ""
    ids = f"<OrgnlEndToEndId>{number}</OrgnlEndToEndId>" if number else ""
    return f"<TxInfAndSts>{ids}{word}{why(reason) if reason else ''}{more}</TxInfAndSts>"


def why(reason: str, text: str = "") -> str:
    added = f"<AddtlInf>{text}</AddtlInf>" if text else ""
    return f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn>{added}</StsRsnInf>"


def group(status: str, reason: str = "", text: str = "") -> str:
    return f"<GrpSts>{status}</GrpSts>{why(reason, text) if reason else ''}"


def read(content: bytes) -> PaymentReport:
    result = READERS["payment_report"](Raw(content, "application/xml"))
    assert isinstance(result, ReadResult), result
    assert isinstance(result.value, PaymentReport)
    return result.value


def refused(content: bytes) -> Unreadable:
    result = READERS["payment_report"](Raw(content, "application/xml"))
    assert isinstance(result, Unreadable), result
    return result


def statuses(content: bytes) -> dict[str, tuple[str, str]]:
    return {each.number: (each.status, each.reason) for each in read(content).transfers}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_report_is_read_in_both_versions(version: str) -> None:
    said = transfer("PAY-1", "RJCT", "AC01", "<AcctSvcrRef>BK-7</AcctSvcrRef>")
    report = read(document(block(said), group=group("PART"), version=version))
    assert (report.number, report.order_number, report.status, report.word) == ("BNK-1", "ORD-1", "partly", "PART")
    assert report.reported_at.isoformat() == "2026-11-20T08:05:00+00:00"
    assert report.transfers == (TransferReport("PAY-1", "rejected", "RJCT", "AC01", bank_reference="BK-7"),)


def test_a_rejected_file_rejects_every_transfer_named_or_not() -> None:
    report = read(document(block(transfer("A"), transfer("B", "PDNG")), group=group("RJCT", "FF01", "line 3")))
    assert (report.status, report.reason, report.detail) == ("rejected", "FF01", "line 3")
    assert [(each.status, each.word, each.reason) for each in report.transfers] == [("rejected", "RJCT", "FF01")] * 2
    assert read(document(group=group("RJCT", "AM18"))).status == "rejected"


def test_a_rejected_block_is_the_rejected_order_since_an_order_is_one_block() -> None:
    report = read(document(block(status="RJCT"), group=group("ACTC")))
    assert (report.status, report.word) == ("rejected", "RJCT")
    assert read(document(block(status="ACCP"))).status == "accepted"
    two = document(
        block(transfer("A"), status="RJCT"), block(transfer("B"), status="ACCP", number="X"), group=group("PART")
    )
    assert read(two).status == "partly"
    assert statuses(two) == {"A": ("rejected", ""), "B": ("accepted", "")}


def test_no_word_of_a_block_is_heard_over_the_rejection_of_its_file() -> None:
    report = read(document(block(transfer("A"), status="ACCP"), group=group("RJCT", "FF01")))
    assert (report.status, report.word, report.reason) == ("rejected", "RJCT", "FF01")
    assert [(each.status, each.reason) for each in report.transfers] == [("rejected", "FF01")]


def test_a_partly_accepted_file_says_nothing_of_a_transfer_that_has_no_word() -> None:
    content = document(block(transfer("A", "RJCT", "AC04"), transfer("B", "ACCP"), transfer("C")), group=group("PART"))
    assert statuses(content) == {"A": ("rejected", "AC04"), "B": ("accepted", ""), "C": ("pending", "")}
    assert statuses(document(block(transfer("A", "PART")), group=group("ACCP"))) == {"A": ("pending", "")}


def test_a_transfer_without_a_word_has_that_of_its_block_else_of_the_file() -> None:
    assert statuses(document(block(transfer("A")), group=group("ACSC"))) == {"A": ("executed", "")}
    assert statuses(document(block(transfer("A"), status="ACSP"), group=group("ACCP"))) == {"A": ("accepted", "")}
    assert statuses(document(block(transfer("A")))) == {"A": ("pending", "")}


def test_only_the_transfers_may_speak() -> None:
    report = read(document(block(transfer("A", "ACCC"))))
    assert (report.status, report.word) == ("", "")
    assert report.transfers[0].status == "credited"


@pytest.mark.parametrize("word", ["XXXX", "acsc", "ACSC2", "OK"])
def test_a_word_nobody_knows_is_pending_and_kept(word: str) -> None:
    report = read(document(block(transfer("A", word)), group=group(word)))
    assert (report.status, report.word) == ("pending", word)
    assert (report.transfers[0].status, report.transfers[0].word) == ("pending", word)


@pytest.mark.parametrize("reason", sorted(DUPLICATES))
def test_a_refusal_as_a_duplicate_never_sets_the_money_free_to_be_paid_again(reason: str) -> None:
    whole = read(document(group=group("RJCT", reason)))
    assert (whole.status, whole.word, whole.reason) == ("pending", "RJCT", reason)
    assert statuses(document(block(transfer("A", "RJCT", reason)))) == {"A": ("pending", reason)}
    second = f"{why('NARR')}{why(reason)}"
    assert statuses(document(block(transfer("A", "RJCT", "", second))))["A"][0] == "pending"
    assert statuses(document(block(transfer("A")), group=group("RJCT", reason)))["A"][0] == "pending"


@pytest.mark.parametrize("word", ["ACSC", "ACCC"])
def test_a_bank_that_rejects_a_file_and_executes_its_transfer_is_not_believed_at_all(word: str) -> None:
    problem = refused(document(block(transfer("A", word)), group=group("RJCT", "FF01")))
    assert problem.reason_code == "intake.ambiguous"
    assert problem.pointer.endswith("/TxInfAndSts")


def test_an_order_rejected_with_a_duplicate_inside_does_not_set_the_duplicate_free() -> None:
    report = read(
        document(block(transfer("A", "RJCT", "DU04"), transfer("B", "RJCT", "AC01")), group=group("RJCT", "AC01"))
    )
    assert (report.status, report.word) == ("partly", "RJCT")
    assert [(each.number, each.status) for each in report.transfers] == [("A", "pending"), ("B", "rejected")]


def test_the_instruction_stands_in_for_an_end_to_end_id_that_is_not_provided() -> None:
    ids = "<OrgnlInstrId>PAY-1</OrgnlInstrId><OrgnlEndToEndId>NOTPROVIDED</OrgnlEndToEndId>"
    assert statuses(document(block(f"<TxInfAndSts>{ids}<TxSts>ACSC</TxSts></TxInfAndSts>"))) == {
        "PAY-1": ("executed", "")
    }
    nobody = refused(document(block(transfer("", "ACSC"))))
    assert nobody.reason_code == "integration.schema_violated"


def test_all_reasons_and_words_of_the_bank_are_kept() -> None:
    own = (
        "<StsRsnInf><Rsn><Prtry>LIMIT</Prtry></Rsn><AddtlInf>over the</AddtlInf><AddtlInf>limit</AddtlInf></StsRsnInf>"
    )
    report = read(document(block(transfer("A", "RJCT", "", own + why("AM02")))))
    assert (report.transfers[0].reason, report.transfers[0].detail) == ("LIMIT", "also AM02 over the limit")


def test_what_is_not_carried_is_named() -> None:
    tracker = (
        "<TrckrData><ConfdDt><Dt>2026-11-20</Dt></ConfdDt><ConfdAmt Ccy='EUR'>1</ConfdAmt><TrckrRcrd><Agt>"
        "<FinInstnId><BICFI>COBADEFFXXX</BICFI></FinInstnId></Agt></TrckrRcrd></TrckrData>"
    )
    counts = "<NbOfTxsPerSts><DtldNbOfTxs>1</DtldNbOfTxs><DtldSts>ACSC</DtldSts></NbOfTxsPerSts>"
    content = document(block(transfer("A", "ACSC", "", tracker)), group=group("ACSC") + counts)
    result = READERS["payment_report"](Raw(content, "application/xml"))
    assert isinstance(result, ReadResult)
    assert result.format == "pain.002.001.12"
    inside = "OrgnlPmtInfAndSts/TxInfAndSts/TrckrData/"
    assert result.dropped == (
        "OrgnlGrpInfAndSts/NbOfTxsPerSts/DtldNbOfTxs",
        "OrgnlGrpInfAndSts/NbOfTxsPerSts/DtldSts",
        "OrgnlGrpInfAndSts/OrgnlMsgNmId",
        "OrgnlPmtInfAndSts/OrgnlPmtInfId",
        inside + "ConfdAmt",
        inside + "ConfdAmt/@Ccy",
        inside + "ConfdDt/Dt",
        inside + "TrckrRcrd/Agt/FinInstnId/BICFI",
    )


def test_doubled_and_reordered_reports_read_the_same_each_time() -> None:
    first, last = document(group=group("ACTC")), document(block(transfer("A", "ACSC")))
    assert [read(each) for each in (last, first, last)] == [read(last), read(first), read(last)]


HOSTILE = {
    "a doctype": b'<!DOCTYPE x [<!ENTITY a "b">]>' + document(),
    "an external entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    + document(group="<GrpSts>&a;</GrpSts>"),
    "billion laughs": b'<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + document(group="&b;"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_type_is_never_read(name: str) -> None:
    assert refused(HOSTILE[name]).reason_code == "intake.doctype_refused"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (document(version="pain.002.001.10"), "intake.type_not_supported"),
        (document().replace(b"urn:iso:std:iso:20022", b"urn:iso:std:iso:20023"), "intake.type_not_supported"),
        (document().replace(b"xmlns=", b"Xmlns="), "intake.type_not_supported"),
        (
            document().replace(b"<Document ", b"<Dokument ").replace(b"</Document>", b"</Dokument>"),
            "intake.type_not_supported",
        ),
        (document()[:-20], "intake.malformed"),
        (b"", "intake.malformed"),
        (b"not xml", "intake.malformed"),
        (document().replace(b"<MsgId>BNK-1</MsgId>", b""), "integration.schema_violated"),
        (document().replace(b"<MsgId>BNK-1</MsgId>", b"<MsgId> </MsgId>"), "integration.schema_violated"),
        (document().replace(b">ORD-1<", b">ORD<!-- -->-1<"), "intake.ambiguous"),
        (document().replace(b">ORD-1<", b">" + b"X" * 36 + b"<"), "intake.value_out_of_range"),
        (document().replace(b"2026-11-20T08:05:00Z", b"2026-02-30T08:05:00Z"), "intake.value_out_of_range"),
        (document().replace(b"2026-11-20T08:05:00Z", b"0000-00-00T00:00:00Z"), "intake.value_out_of_range"),
        (document(group=group("ACTC") * 2), "intake.ambiguous"),
        (document().replace(b"</Document>", b"<CstmrPmtStsRpt/></Document>"), "intake.ambiguous"),
    ],
)
def test_bytes_that_are_no_report_are_refused_with_code_and_place(content: bytes, code: str) -> None:
    problem = refused(content)
    assert problem.reason_code == code
    assert problem.pointer
    assert problem.detail


def test_a_foreign_element_of_the_same_name_is_not_taken_for_ours() -> None:
    foreign = document(group='<GrpSts xmlns="urn:evil">ACSC</GrpSts>')
    assert read(foreign).status == ""


@pytest.mark.samples
def test_every_status_of_the_published_lists_stands_in_our_tables() -> None:
    sets = json.loads((metadata() / "external-codes.json").read_text(encoding="utf-8"))["sets"]
    words = {*sets["ExternalPaymentGroupStatus1Code"], *sets["ExternalPaymentTransactionStatus1Code"]}
    assert words == set(REPORTED)
    assert set(sets["ExternalEntryStatus1Code"]) == set(BOOKED)
    assert set(sets["ExternalStatusReason1Code"]) >= DUPLICATES
    assert {word for word, ours in REPORTED.items() if ours in ("executed", "credited")} == {"ACSC", "ACCC"}
    assert set(REPORTED) > SETTLES
