"""The other side of a connection as a ledger: what it committed, under which key, and how it is told to answer.

It keeps its own truth, so that a test can compare what we say with what there is. It speaks no vendor's words; the
vendors' simulators do.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from tripartite.runtime.protocol import (
    Absent,
    Accepted,
    Answer,
    Outbound,
    Page,
    ProbeAnswer,
    Pulled,
    Rejected,
    RetryLater,
    Settled,
    Unknown,
    WebhookEvent,
    WebhookRefused,
)

How = str | Answer | Callable[[Outbound], Answer]


class Remote:
    """Settles everything unless told otherwise.

    `script` says how the next calls are answered, one entry for a call, or a list with one entry for each item:
    settle, reject, commit_then_hang, lost, busy, accept, raise_after_commit.
    """

    def __init__(self, name: str = "sap") -> None:
        self.name = name
        self.ledger: dict[str, str] = {}  # key -> document number
        self.effects: Counter[str] = Counter()
        self.pending: set[str] = set()  # accepted, not done yet
        self.refused: set[str] = set()
        self.calls: list[list[Outbound]] = []
        self.probed: list[Outbound] = []
        self.script: deque[How | list[How]] = deque()
        self.probe_script: deque[ProbeAnswer] = deque()
        self.retry_after: float | None = None
        self.before_submit: Callable[[Sequence[Outbound]], None] | None = None
        self.answers: dict[str, list[Pulled]] = {}  # question -> what it brings
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.there: dict[tuple[str, str], Pulled] = {}
        self.fetched: list[tuple[str, str]] = []
        self.webhook: WebhookEvent | WebhookRefused | None = None
        self.pages: deque[Page] = deque()

    @property
    def sent_keys(self) -> list[str]:
        return [item.key for call in self.calls for item in call]

    async def submit(self, items: Sequence[Outbound]) -> Sequence[Answer]:
        if self.before_submit is not None:
            self.before_submit(items)
        self.calls.append(list(items))
        step = self.script.popleft() if self.script else "settle"
        ways: Sequence[How] = step if isinstance(step, list) else [step] * len(items)
        answers = [self._answer(item, how) for item, how in zip(items, ways, strict=True)]
        if step == "raise_after_commit":
            raise OSError("the line broke")
        return answers

    def _answer(self, item: Outbound, how: How) -> Answer:
        match how:
            case "settle":
                return Settled(self._commit(item))
            case "reject":
                self.refused.add(item.key)
                return Rejected("M8/088", "Period 10/2026 is closed")
            case "commit_then_hang" | "raise_after_commit":
                self._commit(item)
                return Unknown("no answer within 30 s")
            case "lost":
                return Unknown("no answer within 30 s")
            case "busy":
                return RetryLater("429", self.retry_after)
            case "accept":
                self.pending.add(item.key)
                return Accepted(f"T-{len(self.pending)}")
            case str():
                raise AssertionError(how)
            case _:
                return how(item) if callable(how) else how

    def _commit(self, item: Outbound) -> str:
        self.effects[item.key] += 1
        return self.ledger.setdefault(item.key, f"51056{len(self.ledger) + 1:05d}/2026")

    def finish(self) -> None:
        """What was accepted is done now."""
        for key in sorted(self.pending):
            self.effects[key] += 1
            self.ledger[key] = f"51057{len(self.ledger) + 1:05d}/2026"
        self.pending.clear()

    async def probe(self, item: Outbound) -> ProbeAnswer:
        self.probed.append(item)
        if self.probe_script:
            return self.probe_script.popleft()
        if item.key in self.ledger:
            return Settled(self.ledger[item.key])
        if item.key in self.pending:
            return Accepted("T-1")
        return Absent("not found")

    async def pull(self, stream: str, cursor: str, limit: int) -> Page:
        return self.pages.popleft() if self.pages else Page((), cursor, more=False)

    async def fetch(self, kind: str, key: str) -> Pulled | None:
        self.fetched.append((kind, key))
        return self.there.get((kind, key))

    async def ask(self, question: str, parameters: Mapping[str, str]) -> tuple[Pulled, ...]:
        self.asked.append((question, dict(parameters)))
        return tuple(self.answers.get(question, ()))

    async def check(self) -> str:
        return "answers"

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        if isinstance(self.webhook, WebhookEvent):
            return self.webhook
        raise self.webhook or WebhookRefused("intake.signature_invalid", "no webhooks here")

    async def close(self) -> None:
        return None
