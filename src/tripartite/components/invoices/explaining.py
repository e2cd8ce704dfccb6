"""What would clear the exceptions of a held invoice, worked out in the deciding transaction and kept in their records.

Asked only for exceptions that open or are judged anew, once per invoice; a clean invoice pays nothing for it. The work
is bounded in core (`counterfactuals/search.py`) and needs nothing that was not gathered for the match.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tripartite.components.invoices.gathering import Neighbourhood
from tripartite.core.counterfactuals import Counterfactual, alternatives, counterfactuals
from tripartite.core.exceptions.record import Alternative
from tripartite.core.findings import Finding
from tripartite.core.matching.engine import PolicyOf
from tripartite.core.matching.result import MatchResult
from tripartite.core.objects import Invoice

Explain = Callable[[Finding], tuple[Alternative, ...]]


class Explainer:
    """Explains the results of one gathered neighbourhood."""

    def __init__(self, around: Neighbourhood, policy_of: PolicyOf, as_of: date) -> None:
        self._around = around
        self._policy_of = policy_of
        self._as_of = as_of

    def of(self, invoice: Invoice, result: MatchResult, time_zone: str) -> Explain:
        """What a finding's record says would clear it. A finding that is not the match's own (a mapping, an approval)
        waits for its fact, which its record names already: it has none."""
        found: dict[tuple[int, str], tuple[Counterfactual, ...]] | None = None

        def explain(finding: Finding) -> tuple[Alternative, ...]:
            nonlocal found
            if all((one.line, one.code) != (finding.line, finding.code) for one in result.findings):
                return ()
            if found is None:
                found = counterfactuals(
                    self._around.book,
                    result,
                    policy_of=self._policy_of,
                    as_of=self._as_of,
                    quotes=self._around.quoted.quotes,
                )
            return alternatives(finding, found.get((finding.line, finding.code), ()), invoice, time_zone)

        return explain
