"""The bank's service: HTTP with files, at the door of processing.py. Here the token, the calls and their faults."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

from tripartite.connectors.iso20022_bank.simulator.orders import Objection
from tripartite.connectors.iso20022_bank.simulator.processing import Desk, File
from tripartite.connectors.simulating import Bench, Cut, Reply, Request, json_reply

LARGEST_FILE = 20_000_000


def build(settings: dict[str, str], seed: int = 0) -> BankBench:
    """A bank with these settings; the same seed strikes the same faults."""
    return BankBench(settings, seed)


class BankBench(Bench):
    """The ASGI app. `wall` gives the bank's time of day and may be replaced."""

    def __init__(self, settings: dict[str, str], seed: int) -> None:
        super().__init__(seed=seed)
        self.settings = settings
        self.wall: Callable[[], float] = time.time
        self.desk = Desk(settings, self._seconds, self._time_of_day, self.fault)
        self.tokens: dict[str, float] = {}
        self.truth = self._truth
        self.arrange = self._arrange
        self.route("POST", "/oauth2/token", "token", self._token)
        self._add("POST", "/v1/files", "upload", self._upload)
        self._add("GET", "/v1/files", "list", self._list)
        self._add("GET", "/v1/files/(.+)", "download", self._download)
        self._add("GET", "/v1/messages/(.+)", "state", self._state)

    def _seconds(self) -> float:
        return self.clock()  # asked anew each time: a rehearsal puts its own in place

    def _time_of_day(self) -> float:
        return self.wall()

    @property
    def files(self) -> list[File]:
        """What waits for the customer, in the order of its making."""
        return self.desk.files

    def advance(self) -> None:
        """Take every step whose time has come."""
        self.desk.advance()

    # At the door.

    def _add(
        self, method: str, path: str, operation: str, handler: Callable[[Request, re.Match[str]], Awaitable[Reply]]
    ) -> None:
        async def guarded(request: Request, match: re.Match[str]) -> Reply:
            self.advance()
            if fault := self.fault(operation, "slow"):
                await self.sleep(fault.delay)
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if self.fault(operation, "expire"):
                self.tokens.pop(token, None)
            if self.tokens.get(token, float("-inf")) <= self.clock():
                return _no(401, "invalid_token", "the token is unknown or has ended")
            if reply := await self.before(operation):
                return reply
            return await handler(request, match)

        self.route(method, path, operation, guarded)

    async def _token(self, request: Request, _: re.Match[str]) -> Reply:
        if reply := await self.before("token"):
            return reply
        pair = f"{self.settings.get('client_id', 'tripartite')}:{self.settings.get('client_secret', 'bank-secret')}"
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if request.headers.get("authorization") != basic or b"client_credentials" not in request.body:
            return json_reply({"error": "invalid_client"}, 401)
        token = f"bank-{self.random.getrandbits(96):024x}"
        life = int(self.settings.get("token_seconds", "900"))
        self.tokens[token] = self.clock() + life
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": life})

    async def _upload(self, request: Request, _: re.Match[str]) -> Reply:
        content = request.body
        digest = hashlib.sha256(content).hexdigest()
        if len(content) > LARGEST_FILE:
            return _no(413, "FF01", "the file is too large")
        if request.headers.get("x-content-sha256", digest) != digest:
            return _no(400, "FF01", "the file did not arrive whole")
        file_id = f"IN{self.desk.number():06d}"
        if self.fault("upload", "lie_dropped"):
            return json_reply({"fileId": file_id, "messageId": _message_id(content), "status": "RCVD"}, 202)
        if fault := self.fault("upload", "late_commit"):
            self.desk.after_seconds(fault.delay, lambda: self.desk.take_quietly(content, digest, file_id))
            raise Cut
        try:
            order = self.desk.take(content, digest, file_id)
        except Objection as objection:
            status = 409 if objection.code == "DU01" else 422
            return _no(status, objection.code, objection.text)
        if reply := await self.after("upload"):
            return reply
        return json_reply({"fileId": order.file_id, "messageId": order.message_id, "status": "RCVD"}, 202)

    async def _state(self, _: Request, match: re.Match[str]) -> Reply:
        order = self.desk.ledger.orders.get(match[1])
        if order is None or order.shown_from > self.clock():
            return _no(404, "NOT_FOUND", "no file of this message id")
        return json_reply(
            {
                "messageId": order.message_id,
                "fileId": order.file_id,
                "status": order.status,
                "reason": order.reason,
                "detail": order.detail,
                "sha256": order.digest,
            }
        )

    async def _list(self, request: Request, _: re.Match[str]) -> Reply:
        query = request.query
        place = 0
        if mark := query.get("after"):
            if self.fault("list", "mark_expired"):
                return _no(410, "MARK_EXPIRED", "this page mark is no longer kept")
            if not mark.isdigit():
                return _no(400, "MARK_UNKNOWN", "no page mark of ours")
            place = int(mark)
        wanted = tuple(query.get("types", "").split(","))
        since = query.get("createdFrom", "")
        size = min(int(query.get("limit", "50")), int(self.settings.get("pages", "50")))
        found = [
            each
            for each in self.files
            if each.place > place and each.type.startswith(wanted) and (not since or each.created_at >= since)
            if each.shown_from <= self.clock()
        ]
        page = found[:size]
        following = str(page[-1].place) if len(found) > size else None
        if page and self.fault("list", "double_list"):
            page = [page[0], *page]
        shown = [
            {
                "fileId": each.file_id,
                "type": each.type,
                "createdAt": each.created_at,
                "size": len(each.content),
                "sha256": hashlib.sha256(each.content).hexdigest(),
            }
            for each in page
        ]
        return json_reply({"files": shown, "next": following})

    async def _download(self, _: Request, match: re.Match[str]) -> Reply:
        found = next((each for each in self.files if each.file_id == match[1]), None)
        if found is None:
            return _no(404, "NOT_FOUND", "no such file")
        if reply := await self.after("download"):
            return reply
        return Reply(200, found.content, {"content-type": "application/xml"})

    # The bench.

    def _truth(self) -> dict[str, Any]:
        self.advance()
        sent = [{"file_id": each.file_id, "type": each.type, "created_at": each.created_at} for each in self.files]
        return {
            **self.desk.ledger.truth(),
            "files": sent,
            "statements": self.desk.statements,
            "today": self.desk.today().isoformat(),
        }

    def _arrange(self, wish: dict[str, Any]) -> dict[str, Any]:
        self.advance()
        for each in wish.get("accounts", ()):
            self.desk.ledger.open_account(each["number"], each["currency"], each["balance"], each.get("name", ""))
        for number, balance in wish.get("funds", {}).items():
            account = self.desk.ledger.accounts[number]
            added = Decimal(balance) - account.balance
            account.balance, account.opening = account.balance + added, account.opening + added
        for each in wish.get("returns", ()):
            for order in self.desk.ledger.orders.values():
                for transfer in order.transfers:
                    if transfer.end_to_end_id == each["end_to_end_id"]:
                        self.desk.give_back(order, transfer, each.get("reason", "AC04"))
        self.desk.refuses |= wish.get("refuses", {})
        if wish.get("end_of_day"):
            self.desk.end_day()
        if "today" in wish:
            self.desk.days += (date.fromisoformat(wish["today"]) - self.desk.today()).days
        return {"today": self.desk.today().isoformat(), "files": len(self.files)}


def _no(status: int, code: str, message: str) -> Reply:
    return json_reply({"code": code, "message": message}, status)


def _message_id(content: bytes) -> str:
    found = re.search(rb"<MsgId>([^<]{1,35})</MsgId>", content)
    return found[1].decode("utf-8", "replace") if found else ""
