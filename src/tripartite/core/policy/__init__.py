"""Policy as data: typed, effective-dated decision tables, cited by every decision.

load_pack(files) -> Pack, or what is wrong with it           load.py, pack.py, rows.py
check_pack(pack, estate) -> gaps, overlaps, dead rows        check.py
diff_packs(old, new) -> what changed                         diff.py
decide(result, pack, case, at, estate=...) -> Decision       decide.py
"""

from tripartite.core.policy.check import check_pack
from tripartite.core.policy.decide import (
    Approval,
    AskApproval,
    Case,
    Decision,
    Hold,
    Matched,
    Post,
    Refuse,
    Trace,
    decide,
)
from tripartite.core.policy.diff import PolicyChange, diff_packs
from tripartite.core.policy.finding import Example, PolicyFinding
from tripartite.core.policy.load import PackError, load_pack
from tripartite.core.policy.pack import Pack

__all__ = [
    "Approval",
    "AskApproval",
    "Case",
    "Decision",
    "Example",
    "Hold",
    "Matched",
    "Pack",
    "PackError",
    "PolicyChange",
    "PolicyFinding",
    "Post",
    "Refuse",
    "Trace",
    "check_pack",
    "decide",
    "diff_packs",
    "load_pack",
]
