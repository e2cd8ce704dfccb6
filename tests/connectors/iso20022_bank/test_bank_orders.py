"""An order as a file: valid against the schema, the same bytes each time, nothing cut, what does not fit refused."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from connectors.iso20022_bank.bank_bench import HERE, OURS, THEIRS, item, order, payment, schema, wire_transfer
from tripartite.connectors.iso20022_bank.transform import SettingInvalid, writers_for
from tripartite.connectors.iso20022_bank.transform.accounts import account_of
from tripartite.connectors.iso20022_bank.transform.texts import LATIN, latin
from tripartite.core import codec
from tripartite.core.money import Amount, minor_digits
from tripartite.core.objects import Address, BankAccount, Payment, PaymentItem, PaymentOrder
from tripartite.runtime.protocol import Unwritable

NAMES = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


def write(value: PaymentOrder, **said: str) -> bytes:
    content: bytes = writers_for(said)["send_payment_order"](codec.encode(value))
    return content


def texts(content: bytes, path: str) -> list[str]:
    steps = "/".join(f"p:{step}" for step in path.split("/"))
    return [each.text or "" for each in etree.fromstring(content).iterfind(f".//{steps}", NAMES)]


def refused(value: PaymentOrder, **said: str) -> Unwritable:
    with pytest.raises(Unwritable) as caught:
        write(value, **said)
    return caught.value


def two_sum(*payments: Payment) -> Amount:
    return Amount(sum((each.amount for each in payments), Decimal()))


# One order.


def test_a_transfer_inside_europe_is_a_sepa_transfer() -> None:
    content = write(order())
    assert texts(content, "SvcLvl/Cd") == ["SEPA"]
    assert texts(content, "ChrgBr") == ["SLEV"]
    assert texts(content, "CtgyPurp/Cd") == ["SUPP"]
    assert texts(content, "DbtrAcct/Id/IBAN") == [OURS]
    assert texts(content, "CdtrAcct/Id/IBAN") == [THEIRS[0]]
    assert texts(content, "CdtrAgt/FinInstnId/BICFI") == []  # the IBAN is enough
    assert texts(content, "PmtId/EndToEndId") == texts(content, "PmtId/InstrId") == ["PAY-1"]
    assert texts(content, "GrpHdr/CreDtTm") == ["2026-11-20T08:00:00Z"]
    assert texts(content, "ReqdExctnDt/Dt") == ["2026-11-20"]


def test_the_same_order_is_the_same_bytes_for_ever() -> None:
    value = order("ORD-1", payment("PAY-1"), payment("PAY-2", "7.5", place=1))
    assert write(value) == write(value)
    # Stands for every release: whoever changes it must think of files that are on their way.
    assert hashlib.sha256(write(value)).hexdigest()[:16] == "fe29563a0782e7f7"
    assert texts(write(value), "PmtId/UETR")[0] != texts(write(value), "PmtId/UETR")[1]
    assert texts(write(replace(value, number="ORD-2")), "PmtId/UETR")[0] != texts(write(value), "PmtId/UETR")[0]


def test_the_time_of_the_order_is_told_in_utc_whatever_zone_it_came_in() -> None:
    local = order(created_at=datetime.fromisoformat("2026-11-20T09:00:00+01:00"))
    assert write(local) == write(order(created_at=datetime(2026, 11, 20, 8, tzinfo=UTC)))
    assert refused(order(created_at=datetime(2026, 11, 20, 8))).pointer == "/created_at"


def test_counts_and_sums_are_exact() -> None:
    payments = tuple(payment(f"PAY-{n}", "0.10", place=n) for n in range(3))
    content = write(order("ORD-1", *payments))
    assert texts(content, "GrpHdr/NbOfTxs") == texts(content, "PmtInf/NbOfTxs") == ["3"]
    assert texts(content, "GrpHdr/CtrlSum") == texts(content, "PmtInf/CtrlSum") == ["0.30"]


@pytest.mark.parametrize(("currency", "stated", "written"), [("JPY", "1000", "1000"), ("KWD", "1.5", "1.500")])
def test_amounts_have_the_decimals_of_their_currency(currency: str, stated: str, written: str) -> None:
    abroad = wire_transfer(amount=stated, currency=currency)
    assert texts(write(order("O", abroad, address=HERE)), "Amt/InstdAmt") == [written]
    finer = wire_transfer(amount="1.0001", currency=currency)
    problem = refused(order("O", finer, address=HERE))
    assert (problem.reason_code, problem.pointer) == ("intake.amount_invalid", "/payments/0/amount")


def test_beyond_sepa_the_settings_say_level_and_charges() -> None:
    content = write(order("O", wire_transfer(), address=HERE), service_level="URGP", charge_bearer="DEBT")
    assert texts(content, "SvcLvl/Cd") == ["URGP"]
    assert texts(content, "PmtInf/ChrgBr") == ["DEBT"]
    assert texts(content, "CdtrAcct/Id/Othr/Id") == ["123456789"]
    assert texts(content, "ClrSysMmbId/ClrSysId/Cd") == ["USABA"]
    assert texts(content, "ClrSysMmbId/MmbId") == ["021000021"]
    assert texts(content, "Cdtr/PstlAdr/TwnNm") == ["New York"]
    assert texts(content, "Cdtr/PstlAdr/Ctry") == ["US"]
    assert texts(content, "Cdtr/PstlAdr/AdrLine") == ["Suite 5"]


def test_an_order_of_both_kinds_says_it_for_each_transfer() -> None:
    content = write(order("O", payment("A"), wire_transfer("B"), address=HERE))
    assert texts(content, "PmtInf/PmtTpInf/SvcLvl/Cd") == []
    assert texts(content, "CdtTrfTxInf/PmtTpInf/SvcLvl/Cd") == ["SEPA", "NURG"]
    assert texts(content, "CdtTrfTxInf/ChrgBr") == ["SLEV", "SHAR"]


def test_a_transfer_in_another_currency_is_no_sepa_transfer() -> None:
    dollars = payment("A", currency="USD", account=BankAccount(THEIRS[0], "X SAS", "BNPAFRPPXXX"), address=HERE)
    assert texts(write(order("O", dollars, address=HERE)), "SvcLvl/Cd") == ["NURG"]


# Remittance.


def test_one_invoice_is_named_in_a_structure_and_several_in_a_text() -> None:
    one = write(order("O", payment("A", items=(item("R-55871", "100.00"),))))
    assert texts(one, "RfrdDocInf/Nb") == ["R-55871"]
    assert texts(one, "RfrdDocInf/Tp/CdOrPrtry/Cd") == ["CINV"]
    assert texts(one, "RfrdDocAmt/RmtdAmt") == ["100.00"]
    assert texts(one, "RmtInf/Ustrd") == []
    several = payment("A", items=(item("R-1", "120.00"), item("C-7", "-20.00")))
    assert texts(write(order("O", several)), "RmtInf/Ustrd") == ["R-1 120.00, C-7 -20.00"]
    assert texts(write(order("O", several)), "RmtInf/Strd") == []
    plain = write(order("O", payment("A", items=(item("R-1"),))), sepa_remittance="unstructured")
    assert texts(plain, "RmtInf/Ustrd") == ["R-1 100.00"]


def test_a_text_that_does_not_fit_says_how_many_invoices_are_missing() -> None:
    items = tuple(item(f"INVOICE-2026-{n:05d}", "1.00") for n in range(20))
    (said,) = texts(write(order("O", payment("PAY-9", "20.00", items=items))), "RmtInf/Ustrd")
    assert said.endswith("see advice PAY-9")
    assert len(said) <= 140
    named = said.count("INVOICE-2026-")
    assert f"+{20 - named} see advice" in said
    numbers_only = tuple(item(f"INVOICE-{n:05d}", "1.00") for n in range(8))
    (said,) = texts(write(order("O", payment("PAY-9", "8.00", items=numbers_only))), "RmtInf/Ustrd")
    assert said == ", ".join(each.invoice_number for each in numbers_only)


@pytest.mark.parametrize(("length", "written"), [(64, 140), (65, 131)])
def test_a_text_of_exactly_140_characters_is_kept_whole(length: int, written: int) -> None:
    items = (item("A" * length, "1.00"), item("B" * 64, "1.00"))
    (said,) = texts(write(order("O", payment("A", "2.00", items=items))), "RmtInf/Ustrd")
    assert len(said) == written  # one more, and the amounts give way to the numbers
    assert said.startswith("A" * length)
    assert "B" * 64 in said


def test_beyond_sepa_each_invoice_and_each_credit_memo_has_its_structure() -> None:
    items = (item("R-1", "98.00", discount=Amount("2.00")), item("C-7", "-18.00"), item("R-" + "9" * 40, "20.00"))
    content = write(order("O", wire_transfer(items=items), address=HERE))
    assert texts(content, "RfrdDocInf/Tp/CdOrPrtry/Cd") == ["CINV", "CREN", "CINV"]
    assert texts(content, "RfrdDocAmt/DuePyblAmt") == ["100.00"]
    assert texts(content, "RfrdDocAmt/DscntApldAmt/Amt") == ["2.00"]
    assert texts(content, "RfrdDocAmt/RmtdAmt") == ["98.00", "20.00"]
    assert texts(content, "RfrdDocAmt/CdtNoteAmt") == ["18.00"]  # positive: the kind turns it
    assert texts(content, "RfrdDocInf/Nb") == ["R-1", "C-7"]
    assert texts(content, "Strd/AddtlRmtInf") == ["R-" + "9" * 40]  # 42 characters have no place in Nb


# Texts, accounts, banks.


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("Bückeburg & Söhne", "Buckeburg + Sohne"),
        ("Straße", "Strasse"),
        ("Smørrebrød A/S", "Smorrebrod A/S"),
        ("Łódź", "Lodz"),
        ("Æsir\u2013Þór", "AEsir-THor"),
        ("a\u0308b", "ab"),
        ("two\n lines", "two lines"),
        ("½ price", "1/2 price"),
        ("\u201cquoted\u201d", "'quoted'"),
        ("A_1; B", "A-1, B"),
    ],
)
def test_letters_are_written_as_banks_take_them(stated: str, written: str) -> None:
    assert latin(stated, "/x", 140) == written


@pytest.mark.parametrize("stated", ["Ромашка", "株式会社", "snow\u2603man", "a\x00b", "a\u200bb", "a\u202eb"])
def test_a_letter_without_a_counterpart_is_refused_and_not_left_out(stated: str) -> None:
    problem = refused(order("O", payment("A", account=BankAccount(THEIRS[0], stated))))
    assert (problem.reason_code, problem.pointer) == ("posting.unwritable", "/payments/0/account/holder")


@given(st.text(max_size=60))
def test_whatever_is_written_is_in_the_set_of_banks(stated: str) -> None:
    try:
        written = latin(stated, "/x", 400)
    except Unwritable:
        return
    assert LATIN.issuperset(written)
    assert written == written.strip() != ""


@pytest.mark.parametrize("number", ["", "X" * 36, "/A", "A/", "A//B", "A_B", "A B ", "ÄB", "A\n"])
def test_an_identifier_is_never_changed_so_a_bad_one_is_refused(number: str) -> None:
    assert refused(order(number)).pointer == "/number"
    assert refused(order("O", payment(number))).pointer == "/payments/0/number"


@pytest.mark.parametrize(
    ("account", "pointer"),
    [
        (BankAccount("FR1420041010050500013M02607"), "account"),  # check digits
        (BankAccount("DE8937040044053201300"), "account"),  # a digit is missing
        (BankAccount("12345_6789"), "account"),
        (BankAccount("1" * 35), "account"),
        (BankAccount("123456789", "", "USABA:021000022"), "institution"),
        (BankAccount("123456789", "", "021000021"), "institution"),  # of which clearing system?
        (BankAccount("123456789", "", "USABA:123"), "institution"),
        (BankAccount("123456789"), "institution"),  # a local account without its bank
    ],
)
def test_an_account_that_cannot_be_meant_is_refused_without_being_repeated(account: BankAccount, pointer: str) -> None:
    problem = refused(order("O", wire_transfer(account=account), address=HERE))
    assert problem.pointer == f"/payments/0/account/{pointer}"
    assert account.account not in problem.detail


def test_an_iban_is_taken_with_blanks_and_small_letters() -> None:
    assert account_of(BankAccount("fr14 2004 1010 0505 0001 3m02 606"), "", "").iban == THEIRS[0]


def test_a_bare_bank_code_is_of_the_clearing_system_in_the_settings() -> None:
    bare = wire_transfer(account=BankAccount("123456789", "", "021000021"))
    content = write(order("O", bare, address=HERE), clearing_system="USABA")
    assert texts(content, "ClrSysMmbId/MmbId") == ["021000021"]


def test_a_debtor_without_a_named_bank_is_written_as_not_provided_inside_sepa_only() -> None:
    content = write(order(account=BankAccount(OURS)))
    assert texts(content, "DbtrAgt/FinInstnId/Othr/Id") == ["NOTPROVIDED"]
    problem = refused(order("O", wire_transfer(), account=BankAccount(OURS), address=HERE))
    assert problem.pointer == "/account/institution"


@pytest.mark.parametrize(
    ("address", "pointer"),
    [
        (None, "/payments/0/address"),
        (Address((), "Paris"), "/payments/0/address/country"),
        (Address((), "", "", "", "FR"), "/payments/0/address/city"),
        (Address(("a", "b", "c", "d"), "Paris", "", "", "FR"), "/payments/0/address/lines"),
        (Address(("x" * 71,), "Paris", "", "", "FR"), "/payments/0/address/lines/0"),
    ],
)
def test_beyond_sepa_an_address_has_its_town_and_country(address: Address | None, pointer: str) -> None:
    assert refused(order("O", wire_transfer(address=address), address=HERE)).pointer == pointer


def test_an_address_may_be_left_to_the_bank_as_it_was_given() -> None:
    bare = order("O", wire_transfer("A", address=Address(("1 Main Street",))), wire_transfer("B", address=None))
    content = write(bare, address="as_given")
    assert texts(content, "Cdtr/PstlAdr/StrtNm") == ["1 Main Street"]
    assert texts(content, "Cdtr/PstlAdr/Ctry") == texts(content, "Cdtr/PstlAdr/TwnNm") == []
    odd = order("O", wire_transfer("A", address=Address((), "Paris", "", "", "France")))
    assert refused(odd, address="as_given").pointer == "/payments/0/address/country"
    # Inside SEPA no address is needed, but one that is given is whole.
    assert refused(order("O", payment("A", address=Address((), "Paris")))).pointer == "/payments/0/address/country"


def test_a_name_too_long_for_the_scheme_is_refused_and_not_cut() -> None:
    long = BankAccount(THEIRS[0], "N" * 71)
    assert refused(order("O", payment("A", account=long))).pointer == "/payments/0/account/holder"


# The order against itself.


def test_an_order_that_contradicts_itself_never_becomes_a_file() -> None:
    assert refused(order(amount=Amount("99.99"))).pointer == "/amount"
    assert refused(order("O", payment("A", items=(item("R", "99.99"),)))).pointer == "/payments/0/amount"
    assert refused(order("O", payment("A"), payment("A"))).pointer == "/payments"
    assert refused(order("O", payment("A", account=None))).pointer == "/payments/0/account"
    assert refused(order("O", payment("A", "0", items=()))).pointer == "/payments/0/amount"
    assert refused(order("O", payment("A", "-5", items=()))).pointer == "/payments/0/amount"
    assert refused(order("O", payment("A", company_code="FR01"))).pointer == "/payments/0"
    assert refused(order("O", payment("A"), payment("B", currency="USD"))).pointer == "/payments/1"
    assert refused(replace(order(), payments=(), amount=Amount("0"))).pointer == "/payments"
    assert refused(order("O", payment("A", currency="XXX"))).pointer == "/currency"


def test_what_is_no_order_is_malformed() -> None:
    with pytest.raises(codec.Malformed):
        writers_for({})["send_payment_order"](b'{"number": "X"}')


@pytest.mark.parametrize(
    "said",
    [
        {"charge_bearer": "SLEV"},
        {"service_level": "urgent"},
        {"sepa_remittance": "both"},
        {"clearing_system": "ABA"},
        {"time_zone": "Mars/Olympus"},
        {"batch_booking": "maybe"},
        {"address": "none"},
        {"initiator_id": "x" * 36},
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(said: dict[str, str]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        writers_for(said)
    assert caught.value.setting in said


# Any order, against the schema.

_texts = st.text(alphabet="abcXYZ 0189/-?:().,'+äöüßéØ&_;", min_size=1, max_size=60).filter(lambda text: text.strip())
_towns = _texts.filter(lambda text: len(text) <= 15)  # a sharp s becomes two letters, an umlaut stays one
_ids = st.from_regex(r"[A-Z0-9][A-Z0-9.-]{0,33}[A-Z0-9]", fullmatch=True)


@st.composite
def orders(draw: st.DrawFn) -> PaymentOrder:
    currency = draw(st.sampled_from(["EUR", "USD", "JPY", "KWD"]))
    least = Decimal(1).scaleb(-minor_digits(currency))
    payments = []
    for number in draw(st.lists(_ids, min_size=1, max_size=5, unique=True)):
        minors = draw(st.lists(st.integers(1, 10**9), min_size=1, max_size=12))
        items = [PaymentItem("i", draw(_texts), Amount(minor * least), issued_on=draw(st.dates())) for minor in minors]
        if draw(st.booleans()):
            credit = draw(st.integers(0, minors[0] - 1))
            items.append(PaymentItem("c", draw(_texts), Amount(-credit * least), discount=Amount(least)))
        said: dict[str, Any] = {
            "currency": currency,
            "items": tuple(items),
            "supplier_name": draw(_texts),
            "amount": Amount(sum((each.amount for each in items), Decimal())),
        }
        foreign = wire_transfer(number, **{**said, "address": Address((draw(_texts),), draw(_towns), "", "", "US")})
        near = payment(number, account=BankAccount(draw(st.sampled_from(THEIRS)), "", "BNPAFRPP"), address=HERE, **said)
        payments.append(draw(st.sampled_from([foreign, near])))
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 10**8)))
    day = draw(st.dates(date(2026, 1, 1), date(2099, 12, 31)))
    return order(draw(_ids), *payments, address=HERE, created_at=moment, execute_on=day, company_name=draw(_texts))


@pytest.mark.samples
def test_every_order_that_can_be_written_is_valid_and_reads_back() -> None:
    valid = schema("pain.001.001.09")

    @settings(max_examples=150, deadline=None)
    @given(orders(), st.sampled_from([{}, {"sepa_remittance": "unstructured"}, {"batch_booking": "yes"}]))
    def check(value: PaymentOrder, said: dict[str, str]) -> None:
        content = write(value, **said)
        assert valid.validate(etree.fromstring(content)), valid.error_log
        assert content == write(value, **said)
        assert texts(content, "GrpHdr/MsgId") == [value.number]
        assert texts(content, "PmtId/EndToEndId") == [each.number for each in value.payments]
        amounts = [Decimal(each) for each in texts(content, "Amt/InstdAmt")]
        assert amounts == [each.amount for each in value.payments]
        assert sum(amounts) == Decimal(texts(content, "GrpHdr/CtrlSum")[0]) == value.amount
        for entry in etree.fromstring(content).iterfind(".//p:CdtTrfTxInf", NAMES):
            documents = entry.findall("p:RmtInf/p:Strd", NAMES)
            paid = [Decimal(each.text or "") for each in entry.iterfind(".//p:RmtdAmt", NAMES)]
            credited = [Decimal(each.text or "") for each in entry.iterfind(".//p:CdtNoteAmt", NAMES)]
            assert not documents or sum(paid) - sum(credited) == Decimal(entry.findtext("p:Amt/p:InstdAmt", "", NAMES))

    check()


@pytest.mark.samples
@pytest.mark.parametrize("version", ["one kind", "both kinds", "abroad"])
def test_the_orders_of_this_page_are_valid(version: str) -> None:
    made = {
        "one kind": order("O", payment("A"), payment("B", place=2)),
        "both kinds": order("O", payment("A"), wire_transfer("B"), address=HERE),
        "abroad": order("O", wire_transfer("B", items=(item("R", "120.00"), item("C", "-20.00"))), address=HERE),
    }[version]
    schema("pain.001.001.09").assertValid(etree.fromstring(write(made, initiator_id="CUST-7")))
