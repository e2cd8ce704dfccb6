"""Counterfactuals: the smallest lawful changes of fact after which a finding is gone, each proved by running the match.

    result -> scene (its documents, to be changed) -> offers by family -> the match again -> what holds, cheapest first

Pure, like the match itself; asked only for documents that are held. Rule: exceptions.md, "Counterfactuals".
"""

from tripartite.core.counterfactuals.record import alternatives
from tripartite.core.counterfactuals.search import Counterfactual, counterfactuals

__all__ = ["Counterfactual", "alternatives", "counterfactuals"]
