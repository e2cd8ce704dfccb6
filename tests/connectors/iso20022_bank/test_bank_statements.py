"""Statements and notifications: what was booked, under a key that is the same wherever the movement is told."""

from __future__ import annotations

from itertools import permutations

import pytest

from tripartite.connectors.iso20022_bank.transform import READERS, parts, readers_for
from tripartite.core.money import Amount
from tripartite.core.objects import BankAccount, BankEntry, BankStatement
from tripartite.runtime.protocol import Raw, ReadResult, Unreadable

IBAN = "DE89370400440532013000"
OLD, NEW = "02", "08"


def document(*levels: str, kind: str = "053", version: str = NEW) -> bytes:
    root = "BkToCstmrStmt" if kind == "053" else "BkToCstmrDbtCdtNtfctn"
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version}"><{root}><GrpHdr><MsgId>M-1</MsgId>'
        f"<CreDtTm>2026-11-20T18:00:00+01:00</CreDtTm></GrpHdr>{''.join(levels)}</{root}></Document>"
    ).encode()


def level(*inside: str, kind: str = "053", number: str = "S-1", currency: str = "EUR", more: str = "") -> str:
    name = "Stmt" if kind == "053" else "Ntfctn"
    stated = f"<Ccy>{currency}</Ccy>" if currency else ""
    return f"<{name}><Id>{number}</Id>{more}<Acct><Id><IBAN>{IBAN}</IBAN></Id>{stated}</Acct>{''.join(inside)}</{name}>"


def balance(code: str, amount: str, direction: str = "CRDT", currency: str = "EUR") -> str:
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{amount}</Amt>'
        f"<CdtDbtInd>{direction}</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal>"
    )


def entry(
    amount: str = "100.00",
    *details: str,
    direction: str = "DBIT",
    status: str = "BOOK",
    version: str = NEW,
    reference: str = "BK-1",
    day: str = "2026-11-20",
    currency: str = "EUR",
    more: str = "",
    family: str = "ESCT",
) -> str:
    word = f"<Sts><Cd>{status}</Cd></Sts>" if version == NEW else f"<Sts>{status}</Sts>"
    given = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    booked = f"<BookgDt><Dt>{day}</Dt></BookgDt>" if day else ""
    inside = f"<NtryDtls>{''.join(details)}</NtryDtls>" if details else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>{more}{word}{booked}{given}'
        f"<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>{family}</SubFmlyCd></Fmly></Domn></BkTxCd>"
        f"{inside}</Ntry>"
    )


def detail(number: str = "PAY-1", *, reference: str = "", more: str = "", refs: str = "") -> str:
    given = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return f"<TxDtls><Refs>{given}{refs}<EndToEndId>{number}</EndToEndId></Refs>{more}</TxDtls>"


def batch(count: int, order: str = "ORD-1") -> str:
    return f"<Btch><PmtInfId>{order}</PmtInfId><NbOfTxs>{count}</NbOfTxs></Btch>"


def returned(reason: str = "AC04") -> str:
    return f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>"


def read(content: bytes, **settings: str) -> BankStatement:
    result = readers_for(settings)["bank_statement"](Raw(content, "application/xml"))
    assert isinstance(result, ReadResult), result
    assert isinstance(result.value, BankStatement)
    return result.value


def entries(*inside: str, kind: str = "053", version: str = NEW, **settings: str) -> tuple[BankEntry, ...]:
    return read(document(level(*inside, kind=kind), kind=kind, version=version), **settings).entries


def refused(content: bytes) -> Unreadable:
    result = READERS["bank_statement"](Raw(content, "application/xml"))
    assert isinstance(result, Unreadable), result
    assert result.pointer
    return result


# The statement.


def test_a_statement_has_signed_balances_and_its_place_in_the_row() -> None:
    row = "<ElctrncSeqNb>17</ElctrncSeqNb>"
    said = read(document(level(balance("OPBD", "10.00", "DBIT"), balance("CLBD", "5.50"), more=row)))
    assert (said.opening, said.closing, said.sequence) == (Amount("-10.00"), Amount("5.50"), "17")
    assert (said.number, said.account, said.currency, said.kind) == ("S-1", IBAN, "EUR", "statement")
    assert said.created_at.isoformat() == "2026-11-20T18:00:00+01:00"
    assert read(document(level(balance("PRCD", "3"), balance("CLAV", "9")))).opening == Amount("3")
    assert read(document(level(balance("OPBD", "0.00", "DBIT")))).opening == Amount("0")


def test_a_notification_has_no_balances() -> None:
    said = read(document(level(entry(), kind="054"), kind="054"))
    assert (said.kind, said.opening, said.closing) == ("notification", None, None)


@pytest.mark.parametrize(("word", "copy"), [("DUPL", True), ("CODU", True), ("COPY", False)])
def test_a_duplicate_says_so(word: str, copy: bool) -> None:
    assert read(document(level(more=f"<CpyDplctInd>{word}</CpyDplctInd>"))).copy is copy


def test_a_page_of_a_statement_is_not_taken_for_a_copy_of_the_first() -> None:
    page = "<StmtPgntn><PgNb>{}</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
    assert read(document(level(more=page.format(1)))).number == "S-1"
    assert read(document(level(more=page.format(2)))).number == "S-1/2"


def test_a_file_of_several_statements_is_cut_into_one_for_each() -> None:
    whole = document(level(entry("1.00"), number="S-1"), level(entry("2.00"), number="S-2"), level(number="S-3"))
    assert refused(whole).reason_code == "intake.ambiguous"
    cut = parts(whole)
    assert [read(each).number for each in cut] == ["S-1", "S-2", "S-3"]
    assert [len(read(each).entries) for each in cut] == [1, 1, 0]
    assert parts(whole) == cut
    assert parts(cut[0]) == (cut[0],)
    for untouched in (document(level()), document(), b"<broken", b"<!DOCTYPE a>" + whole):
        assert parts(untouched) == (untouched,)


# The entries.


@pytest.mark.parametrize(
    ("word", "version", "status", "kept"),
    [
        ("BOOK", OLD, "booked", ""),
        ("PDNG", OLD, "pending", ""),
        ("INFO", OLD, "information", ""),
        ("BOOK", NEW, "booked", ""),
        ("FUTR", NEW, "pending", "FUTR"),
        ("BOOKED", NEW, "pending", "BOOKED"),
        ("book", OLD, "pending", "book"),
    ],
)
def test_only_book_is_booked(word: str, version: str, status: str, kept: str) -> None:
    (only,) = entries(entry(status=word, version=version), version=version)
    assert (only.status, only.word) == (status, kept)


def test_a_status_of_the_banks_own_is_never_booked() -> None:
    own = entry().replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts><Prtry>BOOK</Prtry></Sts>")
    (only,) = entries(own)
    assert (only.status, only.word) == ("pending", "Prtry BOOK")


def test_a_single_booking_carries_its_transfer_in_both_versions() -> None:
    parties = (
        "<RltdPties><Cdtr>{}</Cdtr>"
        "<CdtrAcct><Id><IBAN>FR14 2004 1010 0505 0001 3M02 606</IBAN></Id></CdtrAcct></RltdPties>"
        "<RltdAgts><CdtrAgt><FinInstnId>{}</FinInstnId></CdtrAgt></RltdAgts>"
        "<RmtInf><Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp><Nb>R-1</Nb></RfrdDocInf></Strd></RmtInf>"
    )
    new = detail(
        more='<Amt Ccy="EUR">100.00</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
        + parties.format("<Pty><Nm>Acme</Nm></Pty>", "<BICFI>BNPAFRPP</BICFI>")
    )
    old = detail(
        more='<AmtDtls><TxAmt><Amt Ccy="EUR">100.00</Amt></TxAmt></AmtDtls>'
        + parties.format("<Nm>Acme</Nm>", "<BIC>BNPAFRPP</BIC>")
    )
    (first,), (second,) = entries(entry("100.00", new)), entries(entry("100.00", old, version=OLD), version=OLD)
    assert first == second
    assert (first.payment_number, first.count, first.code) == ("PAY-1", 1, "PMNT/ICDT/ESCT")
    (inside,) = first.details
    assert inside.party == BankAccount("FR1420041010050500013M02606", "Acme", "BNPAFRPP")
    assert (inside.amount, inside.remittance) == (Amount("100.00"), ("CINV R-1",))


def test_a_batch_gives_its_order_and_how_many_it_holds() -> None:
    (bare,) = entries(entry("300.00", batch(3)))
    assert (bare.order_number, bare.count, bare.payment_number, bare.details) == ("ORD-1", 3, "", ())
    (told,) = entries(entry("300.00", batch(3), *(detail(f"PAY-{n}") for n in range(3))))
    assert [each.payment_number for each in told.details] == ["PAY-0", "PAY-1", "PAY-2"]
    assert (told.order_number, told.count, told.payment_number) == ("ORD-1", 3, "")
    (unnamed,) = entries(entry("300.00", detail("A"), detail("B")))
    assert (unnamed.count, unnamed.payment_number) == (2, "")


def test_an_end_to_end_id_that_is_not_provided_is_none() -> None:
    (only,) = entries(entry("1.00", detail("NOTPROVIDED")))
    assert only.payment_number == ""
    (other,) = entries(entry("1.00", detail("NOTPROVIDED", refs="<InstrId>PAY-1</InstrId>")))
    assert other.payment_number == "PAY-1"


def test_money_that_comes_back_says_why() -> None:
    (only,) = entries(entry("100.00", detail(more=returned()), direction="CRDT", family="RRTN"))
    assert (only.direction, only.return_reason, only.payment_number) == ("credit", "AC04", "PAY-1")
    (silent,) = entries(entry("100.00", detail(), direction="CRDT", family="RRTN"))
    assert silent.return_reason == "unstated"
    (ours,) = entries(entry("100.00", detail(more=returned()), direction="DBIT"))
    assert ours.return_reason == ""  # we send back what others paid


def test_the_party_of_a_return_is_still_the_one_that_was_paid() -> None:
    parties = (
        "<RltdPties><Dbtr><Pty><Nm>We</Nm></Pty></Dbtr><Cdtr><Pty><Nm>Acme</Nm></Pty></Cdtr></RltdPties>" + returned()
    )
    (only,) = entries(entry("100.00", detail(more=parties), direction="CRDT"))
    assert only.details[0].party == BankAccount("", "Acme")


def test_a_reversal_keeps_the_direction_that_it_has_itself() -> None:
    (only,) = entries(entry("100.00", detail(), direction="CRDT", more="<RvslInd>true</RvslInd>"))
    assert (only.reversal, only.direction, only.return_reason) == (True, "credit", "")


def test_the_ordered_amount_is_kept_where_the_account_has_another_currency() -> None:
    amounts = (
        '<AmtDtls><InstdAmt><Amt Ccy="USD">110.00</Amt></InstdAmt><TxAmt><Amt Ccy="USD">110.00</Amt></TxAmt></AmtDtls>'
    )
    (only,) = entries(entry("100.00", detail(more=amounts)))
    (inside,) = only.details
    assert (inside.instructed, inside.instructed_currency, inside.amount) == (Amount("110.00"), "USD", None)


# The key.


def key(*inside: str, kind: str = "053", **settings: str) -> str:
    (only,) = entries(*inside, kind=kind, **settings)
    return only.key


def test_one_movement_has_one_key_in_notification_and_statement() -> None:
    assert key(entry("100.00", detail())) == key(entry("100.00", detail()), kind="054")
    # The reference stands at the entry here and at the transfer there.
    assert key(entry("5.00", detail(reference="R-1"), reference="")) == key(entry("5.00", detail(), reference="R-1"))
    # A batch with its transfers in the notification, without them in the statement.
    told = entry("300.00", batch(3), *(detail(f"PAY-{n}") for n in range(3)))
    assert key(told, kind="054") == key(entry("300.00", batch(3)))


def test_a_reference_that_a_whole_run_shares_does_not_make_one_movement_of_many() -> None:
    run = [entry("50.00", detail(f"PAY-{n}"), reference="RUN-1") for n in range(3)]
    assert len({each.key for each in entries(*run)}) == 3
    apart = [key(each, kind="054") for each in run]
    assert set(apart) == {each.key for each in entries(*run)}


def test_the_reference_alone_is_enough_where_the_bank_gives_each_once() -> None:
    unique = {"entry_reference": "unique"}
    assert key(entry("5.00", detail()), **unique) == key(entry("5.00"), **unique)
    assert key(entry("5.00", detail())) != key(entry("5.00"))


def test_without_a_reference_the_day_and_the_transfer_tell_movements_apart() -> None:
    one = entry("50.00", detail("PAY-1"), reference="")
    assert key(one) == key(one, kind="054")
    others = [
        entry("50.00", detail("PAY-2"), reference=""),
        entry("50.01", detail("PAY-1"), reference=""),
        entry("50.00", detail("PAY-1"), reference="", day="2026-11-21"),
        entry("50.00", detail("PAY-1"), reference="", direction="CRDT"),
        entry("50.00", detail("PAY-1", more=returned()), reference="", direction="CRDT"),
        entry("50.00", detail("PAY-1"), reference="", direction="CRDT", more="<RvslInd>true</RvslInd>"),
    ]
    assert len({key(one), *(key(other) for other in others)}) == 7


def test_two_movements_that_are_equal_in_everything_are_still_two() -> None:
    same = entry("50.00", reference="")
    found = entries(same, same, same)
    assert len({each.key for each in found}) == 3
    assert found[0].key == key(same)


def test_the_order_of_the_entries_does_not_change_their_keys() -> None:
    some = [entry("1.00", detail("A")), entry("2.00", detail("B"), reference=""), entry("1.00", detail("C"))]
    found = [{each.key for each in entries(*order)} for order in permutations(some)]
    assert all(keys == found[0] for keys in found)
    assert len(found[0]) == 3


# What is refused, and what is named.


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("-1.00", "intake.amount_invalid"),
        ("1.000001", "intake.amount_invalid"),  # six decimals, and the schema has five
        ("1.000000", "intake.amount_invalid"),  # zeros too: the message is not of its schema
        ("1.005", "intake.amount_invalid"),  # finer than EUR
        ("1e3", "intake.amount_invalid"),
        ("NaN", "intake.amount_invalid"),
        ("1,00", "intake.amount_invalid"),
        ("", "intake.amount_invalid"),
        ("\uff11.00", "intake.amount_invalid"),
        ("9" * 60, "intake.value_out_of_range"),
        ("1<!-- -->0", "intake.ambiguous"),
    ],
)
def test_bad_amounts_are_refused_with_their_place(amount: str, code: str) -> None:
    problem = refused(document(level(entry(amount))))
    assert problem.reason_code == code
    assert problem.pointer == "/Document/BkToCstmrStmt/Stmt/Ntry/Amt"


def test_zeros_beyond_the_currency_are_no_finer_amount() -> None:
    (only,) = entries(entry("5442.09000"))
    assert str(only.amount) == "5442.09"
    assert (
        refused(document(level(entry("10.5", currency="JPY"), currency="JPY"))).reason_code == "intake.amount_invalid"
    )


@pytest.mark.parametrize("currency", ["XXX", "eur", "EURO", ""])
def test_a_currency_nobody_knows_is_refused(currency: str) -> None:
    content = document(level(entry(currency=currency), currency=currency))
    assert refused(content).reason_code == "intake.value_out_of_range"


def test_amounts_of_two_currencies_on_one_account_are_ambiguous() -> None:
    for inside in (entry(currency="USD"), balance("CLBD", "1.00", currency="USD")):
        problem = refused(document(level(inside)))
        assert (problem.reason_code, problem.pointer.rpartition("/")[2]) == ("intake.ambiguous", "@Ccy")


def test_an_account_without_a_stated_currency_has_that_of_its_amounts() -> None:
    assert read(document(level(entry(currency="USD"), currency=""))).currency == "USD"
    assert refused(document(level(currency=""))).reason_code == "intake.value_out_of_range"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (document(level(balance("OPBD", "1"), balance("OPBD", "2"))), "intake.ambiguous"),
        (document(level(entry(direction="BOTH"))), "integration.contract_drifted"),
        (document(level(entry(status=""))), "integration.schema_violated"),
        (document(level(entry(day="2026-02-30"))), "intake.value_out_of_range"),
        (document(level(entry(more="<RvslInd>perhaps</RvslInd>"))), "intake.malformed"),
        (document(level(entry("1", batch(1).replace(">1<", ">one<")))), "intake.malformed"),
        (document(level(), version="04"), "intake.type_not_supported"),
        (document(level(), kind="052"), "intake.type_not_supported"),
        (document(), "intake.ambiguous"),
        (document(level()).replace(b"camt.053", b"camt.054"), "intake.type_not_supported"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'http://a.example/'>]>" + document(level()), "intake.doctype_refused"),
        (
            document(level()).replace(b"<Acct>", b"<Konto>").replace(b"</Acct>", b"</Konto>"),
            "integration.schema_violated",
        ),
        (document(level()).replace(f"<IBAN>{IBAN}</IBAN>".encode(), b""), "integration.schema_violated"),
    ],
)
def test_bytes_that_are_no_statement_are_refused_with_their_code(content: bytes, code: str) -> None:
    assert refused(content).reason_code == code


def test_every_leaf_is_carried_or_named() -> None:
    extra = (
        "<Chrgs><TtlChrgsAndTaxAmt Ccy='EUR'>1.00</TtlChrgsAndTaxAmt></Chrgs>"
        "<NtryDtls><TxDtls><Refs><TxId>T-9</TxId><EndToEndId>PAY-1</EndToEndId></Refs><Purp><Cd>SUPP</Cd></Purp></TxDtls></NtryDtls>"
    )
    content = document(level(balance("CLAV", "7.00"), entry().replace("</Ntry>", extra + "</Ntry>")))
    result = READERS["bank_statement"](Raw(content, "application/xml"))
    assert isinstance(result, ReadResult)
    assert result.dropped == (
        "GrpHdr/MsgId",
        "Stmt/Bal/Amt",
        "Stmt/Bal/Amt/@Ccy",
        "Stmt/Bal/CdtDbtInd",
        "Stmt/Bal/Dt/Dt",
        "Stmt/Bal/Tp/CdOrPrtry/Cd",
        "Stmt/Ntry/Chrgs/TtlChrgsAndTaxAmt",
        "Stmt/Ntry/Chrgs/TtlChrgsAndTaxAmt/@Ccy",
        "Stmt/Ntry/NtryDtls/TxDtls/Purp/Cd",
        "Stmt/Ntry/NtryDtls/TxDtls/Refs/TxId",
    )
