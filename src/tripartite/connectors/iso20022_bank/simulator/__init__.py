"""A bank on the bench: it takes pain.001 files, answers in pain.002, books, and tells by camt.054 and camt.053.

    build(settings, seed) -> BankBench

Written from the messages' definitions and docs/connectors/iso20022_bank.md; it imports neither `wire` nor `transform`.
Its ledger is the truth: accounts with balances, every file by message id and by content, every end-to-end id.

Settings (all texts)
    client_id, client_secret   what /oauth2/token accepts by HTTP Basic; default `tripartite`, `bank-secret`
    token_seconds              life of a token, default 900
    version                    `new` (default): pain.002.001.12 and camt .08; `old`: pain.002.001.03 and camt .02
    references                 AcctSvcrRef of entries: `unique` (default), `shared` by all of one order, `missing`
    duplicates                 a second file of one message id: `refuse` (default, 409), `report` (RJCT DU01 later)
    step_seconds               from one state of a file to the next, default 0.2
    bookings                   `single` (default): as the file asks; `batch`: always one entry for the block
    accounts                   comma-separated `number:currency:balance`, default one of ours in EUR with a million
    pages                      files of one list page at most, default 50

Operations for faults: token, upload, list, download, state; and, as a file goes its way, `file` (of the group) and
`transfer` (each). Beside the bench's own kinds:

    on file       rjct.group, rjct.block, no_report (a report is not sent), double_report (sent as two files),
                  reorder (a report is sent after the next one), garbled (a report that is no XML),
                  late_file (any file, listed `delay` seconds after its stamp)
    on transfer   rjct.transfer, redate (ACWC with DT06, a day later), return (money back `delay` seconds after booking)
    on upload     late_commit, lie_dropped, lag (the state is not seen for `delay` seconds)
    on list       mark_expired (410 on a page mark), double_list (the first file stands twice)
    on any call   slow (the answer comes `delay` seconds later)

`arrange` takes {"accounts": [{"number", "currency", "balance", "name"}], "end_of_day": true, "today": "2026-11-27",
"returns": [{"end_to_end_id", "reason"}], "refuses": {"<creditor account>": "AC04"}, "funds": {"<account>": "1000.00"}}.
End of day writes a camt.053 for each
account and opens the next day. `today` moves the bank's calendar; transfers whose day has come go on.

`truth` gives `accounts` (balance, opening), `orders` by message id (status, transfers, copies received), `payments` by
end-to-end id (amount, currency, creditor_account, creditor_name, remittance, status, bookings, returned), `entries`,
`files`, `statements`.
"""

from tripartite.connectors.iso20022_bank.simulator.service import BankBench, build

__all__ = ["BankBench", "build"]
