"""One step of an approval, as the system says it in which people approve: recorded there, not asked for again here."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

# A word of the source that we do not know is `unknown`, and never a yes.
ApprovalDecision = Literal["pending", "approved", "rejected", "held", "skipped", "unknown"]


class ApprovalStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who decided what and when. `position` orders the chain; `decided_on` is None as long as nobody decided."""

    approver: str
    decision: ApprovalDecision
    position: int = 0
    decided_on: date | None = None
