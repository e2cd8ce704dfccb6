"""A finding: something a rule noticed, as a value. It is part of a result, never an exception in flight."""

from __future__ import annotations

import msgspec

from tripartite.core.money import Amount


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule noticed. `line` is the invoice's line or charge number, 0 the whole document.

    `variance` is money in the document's currency, positive when the supplier asks for more than is due; None where
    the code is not measured. `breach` and `limit` are what was measured and what was allowed, in `unit`.
    `words` says it in a sentence with its numbers; `rule` names the rule, `row` the policy row that spoke.
    """

    code: str
    line: int = 0
    variance: Amount | None = None
    breach: str = ""
    limit: str = ""
    unit: str = ""
    words: str = ""
    rule: str = ""
    row: str = ""
