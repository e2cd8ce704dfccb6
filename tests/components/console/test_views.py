"""What is worked out for the pages: the match table, the ribbon, the ways out, causes, health, traces, proofs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from components.console.console_story import TRACE, deliveries, events, exception, invoice, spans
from tripartite.components.console import words
from tripartite.components.console.formats import Formats
from tripartite.components.console.views import document, lists
from tripartite.components.console.views.clearing import reasons_of, ways_out
from tripartite.components.console.views.history import moves
from tripartite.components.console.views.limits import BAR_WIDTH
from tripartite.components.console.views.matching import MOST_LINES, Line, fold, match_table
from tripartite.components.console.views.proof import check_leaf
from tripartite.components.console.views.ribbon import ribbon
from tripartite.components.console.views.waterfall import waterfall
from tripartite.core.audit import Checkpoint, entry_of, leaf_hash, make_leaf, node_hash, write_note
from tripartite.core.delivery import STATES as DELIVERY_STATES
from tripartite.core.exceptions.reasons import reasons
from tripartite.core.invoice_life import STATES
from tripartite.runtime.audit import signer_from_seed

F = Formats("en", "Europe/Berlin", datetime(2026, 11, 24, 8, 41, 12, tzinfo=UTC))


def line(number: str, of: dict[str, Any] | None = None) -> Line:
    return next(each for each in match_table(of or invoice(), F).lines if each.number == number)


# The match table


def test_a_line_stands_beside_its_order_line_and_its_receipts() -> None:
    seal = line("30")
    assert (seal.order.quantity, seal.order.price, seal.order.value) == ("60\u00a0SET", "22.50", "1,350.00")
    assert seal.received == "45"
    assert seal.moves == ("48 on 12\u00a0Nov", "3 back on 19\u00a0Nov")
    assert (seal.invoice.quantity, seal.invoice.value) == ("60\u00a0SET", "1,350.00")


def test_a_line_that_agrees_says_so_and_marks_no_cell() -> None:
    bearing = line("10")
    assert [each.mark.word for each in bearing.variances] == ["Agreed"]
    assert bearing.differs == frozenset()
    assert bearing.tone == "agree"


def test_a_price_over_its_limit_prints_both_bounds_with_their_values() -> None:
    (price,) = line("20").variances
    assert price.amount == "+348.00"
    assert price.note == ("+4.53\u00a0%, limit: the lower of 2\u00a0% = 153.60 and 1.25 each = 150.00")
    assert price.row == "price/baseline-eur"
    assert line("20").differs == {"price"}


def limit_of(limit: str, code: str = "match.price_over_limit") -> tuple[str, int | None]:
    """The words of a limit on line 20 (7,680.00 for 120), and how much of the variance the bar fills, in percent."""
    changed = invoice()
    changed["decisions"][-1]["result"]["findings"][0].update(limit=limit, code=code)
    (price,) = line("20", changed).variances
    filled = None if price.bar is None else round(price.bar.filled * 100 / price.bar.hatched)
    return price.note.partition(", ")[2].replace("\u00a0", " "), filled


def test_every_bound_of_a_price_that_speaks_is_said_and_the_right_one_is_drawn() -> None:
    assert limit_of("strict: 2 %, absolute ignore, line 100.00") == (
        "limit: the lower of 2 % = 153.60 and 100.00 a line", round(100 * 100 / 348)
    )  # fmt: skip
    assert limit_of("strict: 2 %, absolute 1.25, line 200.00") == (
        "limit: the lowest of 2 % = 153.60, 1.25 each = 150.00 and 200.00 a line", round(150 * 100 / 348)
    )  # fmt: skip
    assert limit_of("lenient: 2 %, absolute 1.25") == (
        "limit: the higher of 2 % = 153.60 and 1.25 each = 150.00", round(153.6 * 100 / 348)
    )  # fmt: skip
    assert limit_of("strict: percent ignore, absolute exact") == ("limit 0.00 each = 0.00", 0)
    assert limit_of("strict: percent exact, absolute ignore") == ("limit 0 % = 0.00", 0)
    assert limit_of("percent 2, absolute 300.00", "match.price_cumulative_over_limit") == (
        "limit percent 2, absolute 300.00", None
    )  # fmt: skip


def test_the_bar_is_filled_to_the_limit_and_hatched_beyond_in_proportion() -> None:
    bar = line("20").variances[0].bar
    assert bar is not None
    assert bar.tick == bar.filled
    assert bar.hatched == BAR_WIDTH * 9 // 10
    assert bar.tick == round(BAR_WIDTH * 9 / 10 * 150 / 348)


def test_too_many_pieces_are_all_beyond_the_limit() -> None:
    (quantity,) = line("30").variances
    assert quantity.note == "+15\u00a0SET over 45\u00a0SET"
    assert quantity.bar is not None
    assert (quantity.bar.filled, quantity.bar.tick) == (0, 0)


def test_a_difference_without_a_finding_is_within_its_limit_not_agreed() -> None:
    freight = line("31")
    assert freight.title == "Freight"
    assert [(each.mark.word, each.amount) for each in freight.variances] == [("Within limit", "+6.00")]
    changed = invoice()
    changed["decisions"][-1]["result"]["findings"] = []
    roller = line("20", changed)
    assert roller.variances[0].mark.tone == "within"
    assert roller.variances[0].bar is None


def test_the_sum_row_says_what_order_and_receipts_owe() -> None:
    table = match_table(invoice(), F)
    assert (table.owed, table.net, table.difference, table.over) == ("16,232.50", "16,924.00", "+691.50", "685.50")
    assert table.held_lines == 2
    assert table.orders == ("PO-18842 v3",)


def test_two_rules_that_speak_of_the_same_money_count_it_once() -> None:
    changed = invoice()
    findings = changed["decisions"][-1]["result"]["findings"]
    findings.append({**findings[0], "code": "match.price_cumulative_over_limit"})
    findings.append({"code": "match.total_over_expected", "variance": "691.50", "words": "Together."})
    assert match_table(changed, F).over == "685.50"


def test_an_order_line_that_no_line_met_stands_below() -> None:
    (grease,) = match_table(invoice(), F).unmatched
    assert grease.title == "Grease cartridge"
    assert grease.order.reference == "PO-18842 line 50"


def test_a_finding_about_the_whole_document_is_a_row_of_its_own() -> None:
    changed = invoice()
    changed["decisions"][-1]["result"]["findings"].append(
        {"code": "tax.amount_over", "variance": "10.00", "breach": "10.00", "limit": "rounding 0.005", "unit": "EUR",
         "words": "Tax V19: 10 too much."}
    )  # fmt: skip
    (tax,) = match_table(changed, F).document
    assert (tax.mark.word, tax.amount, tax.note) == ("Tax", "+10.00", "+10.00, limit rounding 0.005")


def test_a_line_without_an_order_line_says_that_nothing_can_be_compared() -> None:
    changed = invoice()
    changed["pairs"], changed["orders"], changed["receipts"] = [], [], []
    changed["decisions"][-1]["result"]["findings"] = []
    table = match_table(changed, F)
    assert table.lines[0].variances[0].mark.word == "No order line"
    assert table.owed == ""


def test_one_line_that_met_two_order_lines_has_a_row_for_each() -> None:
    changed = invoice()
    changed["pairs"].append({**changed["pairs"][0], "order_line": 50, "billed": "8"})
    rows = [each for each in match_table(changed, F).lines if each.order.reference in
            ("order line 10", "order line 50")]  # fmt: skip
    assert [each.number for each in rows] == ["10", ""]
    assert rows[1].invoice.quantity == "of it 8\u00a0EA"


def test_lines_that_agree_fold_when_there_are_many_and_are_counted() -> None:
    changed = invoice()
    first = changed["content"]["lines"][0]
    for place in range(100, 900):
        changed["content"]["lines"].append({**first, "line": place, "order_line": 10})
        changed["pairs"].append({**changed["pairs"][0], "invoice_line": place})
    table = match_table(changed, F)
    folded = fold(table, everything=False)
    assert [each.number for each in folded.lines] == ["20", "30", "900"]  # the freight comes after the last line
    assert (folded.folded, folded.left_out, folded.held_lines, folded.all_lines) == (801, 0, 2, 804)
    everything = fold(table, everything=True)
    assert (len(everything.lines), everything.folded) == (MOST_LINES, 0)
    assert everything.left_out == 804 - MOST_LINES
    assert {"20", "30"} <= {each.number for each in everything.lines}
    assert fold(match_table(invoice(), F), everything=False).folded == 0


# The ribbon


def test_the_ribbon_has_seven_steps_and_each_systems_word() -> None:
    steps = ribbon(invoice(), events(), deliveries(), F)
    assert [step.name for step in steps] == [
        *("Requisition", "Order", "Receipts", "Invoice", "Decision", "Posting", "Payment"),
    ]
    assert steps[0].line == "REQ-77310, T. Lindqvist"
    assert [chip.words for chip in steps[1].chips] == ["coupa v3"]
    assert [chip.words for chip in steps[3].chips] == ["capture received", "capture hold told"]
    assert steps[6].line == "due 16\u00a0Dec"


def test_an_unknown_outcome_asks_nobody_to_post_by_hand() -> None:
    posting = ribbon(invoice(), events(), deliveries(), F)[5]
    assert posting.tone == "unknown"
    assert posting.line == "asked again in 3\u00a0min, do not post by hand"
    assert posting.edge == "dashed"
    said = words.delivery_sentence(deliveries()[1], F)
    assert said == (
        "No answer came from sap; asked 09:40:30 CET, asked again 09:45:00 CET (in 3\u00a0min). Do not post it by hand."
    )


def test_an_order_that_nobody_knows_is_a_hold_not_a_wait() -> None:
    changed = invoice()
    changed["orders"] = []
    order = ribbon(changed, [], [], F)[1]
    assert (order.tone, order.line) == ("hold", "PO-18842 is not known")


def test_a_posted_invoice_shows_the_erps_number() -> None:
    changed = {**invoice(), "state": "posted", "document": "5105600058/2026", "posted_at": "2026-11-24T08:00:00Z"}
    settled = {**deliveries()[1], "state": "settled", "remote_ref": "5105600058/2026"}
    steps = ribbon(changed, [], [settled], F)
    assert (steps[5].tone, steps[5].line) == ("agree", "5105600058/2026")
    assert steps[4].edge == "solid"


# Why, and what would clear it


def test_the_reasons_are_the_sentences_of_the_decision() -> None:
    found = reasons_of(invoice(), F)
    assert [(why.head, why.mark.tone) for why in found] == [
        ("Price over limit, line 20", "hold"),
        ("Quantity over received, line 30", "hold"),
    ]
    assert found[0].sentence.startswith("Line 20 bills 8028.00")
    assert found[0].href == "#line-20"


def test_alternatives_are_shown_where_there_are_some_else_what_is_awaited_by_whom_and_when() -> None:
    ways = ways_out(invoice(), F)
    by_code = {way.code: way for way in ways}
    price, quantity = by_code["match.price_over_limit"], by_code["match.quantity_over_received"]
    assert (price.head, price.who, price.sentence) == ("Order price of line 20 becomes 66.90", "the buyer", "In Coupa.")
    assert quantity.who == "receiving"
    assert quantity.waits == "a receipt of these lines or the warehouse's answer"
    assert quantity.due_at == "2026-11-25T16:00:00Z"
    assert not quantity.late


def test_one_reason_on_several_lines_is_one_way_out_with_the_sum() -> None:
    changed = invoice()
    changed["exceptions"] = [
        exception("reference.order_unknown", place, "100.10", owner_role="ap") for place in (3, 1, 2)
    ]
    (way,) = ways_out(changed, F)
    assert way.head == "An order number is given, and no system knows it, lines 1, 2, 3"
    assert way.amount == "EUR\u00a0300.30"


def test_a_credit_is_not_said_to_agree_with_receipts_it_was_not_compared_with() -> None:
    changed = {**invoice(), "kind": "credit_memo", "pairs": []}
    changed["decisions"][-1]["result"]["findings"] = []
    table = match_table(changed, F)
    assert {each.variances[0].mark.word for each in table.lines[:3]} == {"Credit"}
    assert table.unmatched == ()


def test_what_has_ended_needs_nothing_and_what_would_be_wrong_comes_last() -> None:
    changed = invoice()
    changed["exceptions"] = [
        exception("match.price_over_limit", 20, "1.00", state="cleared"),
        exception(
            "duplicate.probable", 0, "5.00",
            alternatives=[{"change": "Pay both", "by_roles": ["ap"], "wrong": "It would be paid twice."},
                          {"change": "Refuse the second", "by_roles": ["ap"], "rank": 1}],
        ),
    ]  # fmt: skip
    assert [(way.head, way.wrong) for way in ways_out(changed, F)] == [
        ("Refuse the second", ""),
        ("Pay both", "It would be paid twice."),
    ]


def test_the_first_way_out_says_what_it_waits_for_and_a_wrong_deed_stands_once_without_an_amount() -> None:
    wrong = {"change": "AP edits the quantity", "by_roles": [], "rank": 3, "wrong": "It is evidence."}
    ways = [
        {"change": "4 EA more received", "by_roles": ["receiving"], "where": "the warehouse system", "cost": "0.00",
         "rank": 1},
        {"change": "An order raised", "by_roles": ["buyer"], "cost": "16.00", "rank": 2,
         "leaves": ["match.not_received"]},
        wrong,
    ]  # fmt: skip
    changed = invoice()
    changed["exceptions"] = [
        exception("match.quantity_over_received", line, "16.00", waits_for=["receipt_posted"],
                  recheck_at="2026-11-24T09:00:00Z", alternatives=ways)
        for line in (1, 2)
    ]  # fmt: skip
    found = ways_out(changed, F)
    assert [(way.head, way.amount) for way in found if not way.wrong][:2] == [
        ("4 EA more received", "EUR\u00a00.00"),
        ("4 EA more received", "EUR\u00a00.00"),
    ]
    assert {(way.head, way.waits, bool(way.again_at)) for way in found if not way.wrong} == {
        ("4 EA more received", "a receipt of these lines", True),
        ("An order raised", "", False),
    }
    assert any("Then stands: Nothing of the line has been received yet" in way.sentence for way in found)
    assert [(way.head, way.amount) for way in found if way.wrong] == [("AP edits the quantity", "")]


def test_history_says_what_came_and_what_went() -> None:
    newest, first = moves(invoice()["decisions"])
    assert (newest.number, newest.came, newest.went) == (2, ("match.quantity_over_received",), ())
    assert newest.cause == "receipt recorded"
    assert first.came == ("match.price_over_limit",)
    assert not newest.policy_changed


# Lists


def test_a_filter_is_read_from_its_words_and_written_back_the_same() -> None:
    wanted = lists.read_filter("state:held code:match.price_over_limit  Aurum  B.V. nonsense:1")
    assert (wanted.state, wanted.code, wanted.text) == ("held", "match.price_over_limit", "Aurum B.V. nonsense:1")
    assert lists.read_filter(wanted.words()) == wanted
    assert wanted.but(state="").address("/invoices", after="x/y").endswith("&after=x%2Fy")
    assert lists.Filter().address("/invoices") == "/invoices"


def test_sums_of_two_currencies_stand_apart() -> None:
    totals = [
        {"state": "posted", "currency": "EUR", "count": 1, "gross": "1.00", "money_at_risk": "0"},
        {"state": "held", "currency": "EUR", "count": 2, "gross": "10.00", "money_at_risk": "1"},
        {"state": "held", "currency": "JPY", "count": 3, "gross": "1000", "money_at_risk": "1"},
    ]
    held, posted = lists.standings(totals)
    assert (held.state, held.count, [each.currency for each in held.sums]) == ("held", 5, ["EUR", "JPY"])
    assert posted.count == 1


def test_one_reason_is_one_cause_whatever_its_currencies_and_owners() -> None:
    rows = [
        {"reason_code": "match.price_over_limit", "owner_role": "buyer", "severity": "medium", "currency": currency,
         "count": 2, "money_at_risk": risk, "due_at": due}
        for currency, risk, due in (("EUR", "5.00", "2026-11-26"), ("PLN", "7.00", "2026-11-25"))
    ]  # fmt: skip
    rows.append({**rows[0], "reason_code": "duplicate.exact", "severity": "critical", "money_at_risk": "99.00"})
    record = exception("match.price_over_limit", 20, "5.00")
    first, second = lists.causes(rows, [record])
    assert first.code == "duplicate.exact"
    assert (second.count, second.at_risk, second.due_at) == (4, (("EUR", "5"), ("PLN", "7")), "2026-11-25")
    assert second.hidden == 3


def test_an_invoice_counts_once_under_a_cause_with_its_lines_and_their_sum() -> None:
    records = [
        exception("reference.order_unknown", 2, "10.10", words="Line 2 names order 9.", object_refs=["9"]),
        exception("reference.order_unknown", 1, "0.20", words="Line 1 names order 9.", due_at="2026-11-24T16:00:00Z"),
        exception("reference.order_unknown", 0, "7", object_id="inv_other"),
    ]
    assert [each.at_risk for each in lists.members(records[::-1])] == ["103/10", "7"]
    first, second = lists.members(records)
    assert (first.lines, first.at_risk, first.value_held) == ((1, 2), "103/10", "16924.00")
    assert first.sentences == ("Line 1 names order 9.", "Line 2 names order 9.")
    assert (first.due_at, first.orders) == ("2026-11-24T16:00:00Z", ("9",))
    assert (second.object_id, second.lines) == ("inv_other", ())


def test_health_is_a_sentence_not_a_lamp() -> None:
    base = {"connection": "sap", "kind": "sap_s4hana", "role": "erp", "companies": [], "modes": {"*": "act"}}
    silent = {**base, "circuit": "open", "reason": "503", "since": "2026-11-24T08:30:00Z",
              "retry_at": "2026-11-24T08:45:00Z"}  # fmt: skip
    found = lists.connections([silent, {**base, "last_ok_at": "2026-11-24T08:41:00Z"}, {**base, "unknown": 1}], F)
    assert [each.mark.tone for each in found] == ["hold", "agree", "unknown"]
    assert found[0].sentence == "No good answer since 09:30:00 CET: 503; tried again in 3\u00a0min."
    assert found[1].sentence == "Last good answer 12\u00a0s ago."


def test_every_state_and_every_reason_has_words() -> None:
    assert set(STATES) == set(words.INVOICE_STATES)
    assert set(DELIVERY_STATES) == set(words.DELIVERY_STATES)
    assert all(
        words.delivery_sentence({**deliveries()[0], "state": state}, F).endswith(".") for state in DELIVERY_STATES
    )
    assert words.mark(words.INVOICE_STATES, "approved_by_martians") == words.Mark("unknown", "approved by martians")
    for code, reason in reasons().items():
        assert words.meaning(code) == reason.meaning
        assert all(words.fact(name) != name for name in reason.recheck_on)


# Traces, documents, proofs


def test_a_trace_starts_at_zero_and_marks_the_critical_path_and_the_failure() -> None:
    drawn = waterfall(TRACE, spans(), F)
    assert drawn is not None
    assert drawn.took == "900\u00a0ms"
    assert [(span.span_id, span.x, span.width, span.depth) for span in drawn.spans] == [
        ("a", 0, 1000, 0), ("b", 111, 222, 1), ("c", 556, 444, 1)
    ]  # fmt: skip
    assert [span.critical for span in drawn.spans] == [True, False, True]
    assert drawn.spans[1].failed
    assert drawn.spans[1].note == "503"
    assert waterfall(TRACE, [], F) is None


def test_a_long_trace_says_how_many_spans_it_leaves_out() -> None:
    many = [{**spans()[0], "span_id": str(place)} for place in range(50)]
    drawn = waterfall(TRACE, many, F)
    assert drawn is not None
    assert drawn.left_out == "10 later spans are not drawn."


def test_every_field_that_was_read_is_listed_with_its_pointer() -> None:
    found, left = document.fields({"a": {"b": ["x", None, ""]}, "c": True, "n": 0})
    assert [(field.pointer, field.value) for field in found] == [("/a/b/0", "x"), ("/c", "yes"), ("/n", "0")]
    assert left == 0
    assert document.fields({"lines": list(range(700))})[1] == 100


def test_a_pdf_is_not_written_out_as_text() -> None:
    assert document.received(b"%PDF-1.7 ...", "application/pdf").text == ""
    assert document.received("ünïcode".encode(), "text/xml").text == "ünïcode"
    assert "first 200,000 of" in document.received(b"x" * 300_000, "").note


def leaf_answer() -> dict[str, Any]:
    """A leaf as the log's owner answers: second of two."""
    other = make_leaf("decision", "inv_0", "DE01", "c_0", b"{}", bytes(16))
    leaf = make_leaf("decision", "inv_7K2", "DE01", "c_9QF", b'{"state":"held"}', bytes(range(16)))
    at = 1_796_000_000_000_000
    first, second = leaf_hash(entry_of(other.commitment, at)), leaf_hash(entry_of(leaf.commitment, at))
    signer = signer_from_seed("books.example/audit", bytes(range(32)))
    note = write_note(Checkpoint("books.example/audit", 2, node_hash(first, second)), [(signer.key, signer.sign)])
    return {
        "index": 1, "leaf_id": leaf.leaf_id, "company_code": "DE01", "kind": "decision", "object_id": "inv_7K2",
        "correlation_id": "c_9QF", "recorded_at_microseconds": at, "salt": leaf.salt.hex(),
        "record": leaf.record.decode(), "commitment": leaf.commitment.hex(), "path": [first.hex()], "checkpoint": note,
    }  # fmt: skip


def test_a_true_leaf_holds() -> None:
    proof = check_leaf(leaf_answer())
    assert proof.holds
    assert (len(proof.checks), proof.size) == (4, 2)


def test_one_flipped_byte_anywhere_does_not_hold() -> None:
    good = leaf_answer()
    for changed in (
        {"record": '{"state":"post"}'},
        {"commitment": "00" + good["commitment"][2:]},
        {"path": ["00" * 32]},
        {"index": 0},
        {"object_id": "inv_7K3"},
        {"recorded_at_microseconds": good["recorded_at_microseconds"] + 1},
        {"checkpoint": "rubbish"},
        {"path": ["not hex"]},
    ):
        assert not check_leaf({**good, **changed}).holds, changed


def test_an_erased_record_leaves_a_path_that_still_holds() -> None:
    proof = check_leaf({**leaf_answer(), "salt": "", "record": ""})
    assert proof.holds
    assert len(proof.checks) == 3
