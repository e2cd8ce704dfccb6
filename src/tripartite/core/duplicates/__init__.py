"""Duplicates: has this debt been claimed before? Scored, never merely equal, and each score says what it is made of.

    Claim -> keys (a handful, the same for every claim) -> earlier claims under them -> score -> Hit, best first

`score.py` compares two claims; `index.py` finds which two to compare, so that one more claim costs the same beside ten
or beside ten million. The gate of the match (`core/matching/duplicates.py`) decides by the benchmark's words and cites
the score. Rule: S40.
"""

from tripartite.core.duplicates.index import Index
from tripartite.core.duplicates.score import PROBABLE, Claim, Hit, Mark, compare

__all__ = ["PROBABLE", "Claim", "Hit", "Index", "Mark", "compare"]
