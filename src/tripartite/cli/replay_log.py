"""`tripartite replay-log FOLDER [--json]`: a real process log through the match, without a database.

Reads the BPI Challenge 2019 sample (`cases.csv.gz`, `events.csv.gz`); prints per category how often a block in the log
and a hold of ours fall together, and whether every item ends alike when its events are told twice or in another order.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tripartite.core.codec import encode
from tripartite.rehearsal.process_log import LogInvalid, Report, read_log, replay_log


def run(folder: Path, *, json: bool = False, seed: int = 7) -> int:
    """Replay a log. Returns 0 when every item ends alike, 1 when one does not, 2 when the log cannot be read."""
    try:
        items = read_log(folder)
    except LogInvalid as error:
        print(error, file=sys.stderr)
        return 2
    report = replay_log(items, seed)
    if json:
        print(encode(report).decode())
    else:
        _print(report)
    return 1 if report.differs else 0


def _print(report: Report) -> None:
    print(f"{report.items} items, {report.events} events")
    print(f"told twice alike {report.same_twice}, shuffled alike {report.same_shuffled}")
    for case_id in report.differs:
        print(f"DIFFERS {case_id}")
    for name, one in report.categories.items():
        print(
            f"{name:32} items {one.items:5}  invoices {one.invoices:5}  blocked and held {one.both:4}  "
            f"log only {one.log_only:4}  ours only {one.ours_only:3}  neither {one.neither:5}  "
            f"agreement {one.agreement or '-'}"
        )
