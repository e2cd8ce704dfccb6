"""Publishing: an approved order is owed to its ERP in the transaction that records it, and so is each change of it.

    order recorded, supplier changed, publish again  ->  judge  ->  owed | waiting, with what keeps it
    the ERP's answer                                 ->  acknowledged, told to all | refused, an exception

The deliveries send the versions of one order one after the other; the connector finds what stands there already. So a
write may be owed twice and never doubles an order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from importlib.metadata import version as installed_version
from zoneinfo import ZoneInfo

from tripartite.components.orders import publications as store
from tripartite.components.orders.publications import Head, Key, Known
from tripartite.components.orders.publishing import PUBLISH_ORDER, content_digest, enriched, target_of
from tripartite.connectors import registry
from tripartite.core import codec
from tripartite.core.delivery import DeliveryOutcome
from tripartite.core.envelope import Message
from tripartite.core.events import EXCEPTION_EVENTS, ORDER_EVENTS, OrderPublished
from tripartite.core.exceptions.reconcile import Changes, Context, reconcile
from tripartite.core.exceptions.record import ExceptionRecord
from tripartite.core.findings import Finding
from tripartite.core.ids import stable_id
from tripartite.core.money import Amount
from tripartite.core.objects import Order
from tripartite.runtime.audit import Leaf, make_leaf, write_leaves
from tripartite.runtime.bus import Outgoing
from tripartite.runtime.component import Ports
from tripartite.runtime.db import Connection
from tripartite.runtime.deliveries import Owed, owe

# What each kind of decision speaks for: what it does not find any more it clears, and nothing else.
_BEFORE = frozenset({"supplier", "integration.mapping_missing", "integration.parent_awaited"})
_ANSWER = frozenset({"posting", "integration.retries_exhausted"})


class Publisher:
    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def target(self, order: Order, source: str, *, published_to: str = "") -> str:
        """The connection that must have this order; empty where none must."""
        day = self._today(order.company_code)
        return target_of(order, source, self._ports.estate, day, _takes_orders, published_to=published_to)

    async def reconsider(
        self, connection: Connection, causes: Mapping[Key, Message], *, again: Collection[Key] = ()
    ) -> list[Outgoing]:
        """Judge these orders by what is known now; returns the messages to publish. The suppliers are held.

        `again`: what was refused or set aside is owed anew, what is acknowledged is told anew.
        """
        heads = await store.lock_heads(connection, causes)
        known = await store.orders_of(connection, causes)
        suppliers = await store.suppliers_of(connection, {each.order.supplier_id for each in known.values()})
        standing = await store.exceptions_of(connection, causes)
        now = self._ports.clock.now()
        owed: list[Owed] = []
        leaves: list[Leaf] = []
        messages: list[Outgoing] = []
        records: list[ExceptionRecord] = []
        for key in sorted(set(causes) & set(known)):
            head, each, cause = heads[key], known[key], causes[key]
            target = self.target(each.order, each.source, published_to=head.connection if head.sequence else "")
            findings: tuple[Finding, ...] = ()
            if not target:
                if head.state == "waiting":
                    head.state = "none"
            else:
                wanted = enriched(each.order, suppliers.get(each.order.supplier_id), self._ports.estate, target)
                findings = wanted.findings
                if wanted.payload is None:
                    head.state, head.connection = "waiting", target
                elif self._is_new(head, each.order, content_digest(wanted.payload), key in again):
                    head.connection, head.state = target, "owed"
                    head.sequence += 1
                    head.version, head.digest = each.order.version, content_digest(wanted.payload)
                    owed.append(self._owed(head, each, wanted.payload, cause, now))
                    leaves.append(self._leaf("order.owed", head, each, now))
                elif head.state == "acknowledged" and (each.order.version > head.version or key in again):
                    # The ERP has what this version tells it: nothing is written, the others may go on.
                    head.version = head.acknowledged_version = each.order.version
                    messages.append(self._published(head, each, cause, now))
                elif head.state == "owed":
                    head.version = each.order.version
            head.changed_at = now
            changes = self._reconciled(each, head, standing.get(key, []), findings, _BEFORE, cause, now)
            records += changes.written
            messages += _exception_events(changes, each, cause, now)
        await store.keep_heads(connection, list(heads.values()))
        await store.note_owed(
            connection, [(o.object_id, o.object_version, heads[k].version) for o, k in _keyed(owed, heads)]
        )
        await store.keep_exceptions(connection, records)
        await owe(connection, owed)
        await write_leaves(connection.cursor(), leaves)
        return messages

    async def answered(self, connection: Connection, told: Sequence[tuple[Message, DeliveryOutcome]]) -> list[Outgoing]:
        """The ERP answered: an acknowledgement is told to all, a refusal is an exception."""
        keys = await store.keys_of_objects(connection, {outcome.object_id for _, outcome in told})
        heads = await store.lock_heads(connection, keys.values())
        known = await store.orders_of(connection, keys.values())
        standing = await store.exceptions_of(connection, keys.values())
        versions = await store.versions_owed(connection, keys)
        now = self._ports.clock.now()
        messages: list[Outgoing] = []
        leaves: list[Leaf] = []
        records: list[ExceptionRecord] = []
        for message, outcome in told:
            key = keys.get(outcome.object_id)
            if key is None or key not in known:
                continue
            head, each = heads[key], known[key]
            newest = outcome.object_version == head.sequence
            finding: Finding | None = None
            if outcome.state == "settled":
                version = versions[outcome.object_id, outcome.object_version]
                if newest and head.state != "waiting":
                    version, head.state = max(version, head.version), "acknowledged"
                head.remote_ref = outcome.remote_ref or head.remote_ref
                if version > head.acknowledged_version:
                    head.acknowledged_version = version
                    messages.append(self._published(head, each, message, now))
                    leaves.append(self._leaf("order.published", head, each, now))
            elif newest and outcome.state in ("rejected", "dead_letter"):
                if head.state == "acknowledged":
                    continue  # an answer that was told before the last one
                if head.state == "owed":
                    head.state = "refused" if outcome.state == "rejected" else "set_aside"
                finding = _refusal(outcome, each.order)
            else:
                if newest and outcome.state in ("waiting", "unknown") and head.state in ("refused", "set_aside"):
                    head.state = "owed"  # somebody sent it again
                continue
            if not newest:
                continue
            head.changed_at = now
            found = (finding,) if finding else ()
            changes = self._reconciled(each, head, standing.get(key, []), found, _ANSWER, message, now)
            standing[key] = [*standing.get(key, []), *changes.written]
            records += changes.written
            messages += _exception_events(changes, each, message, now)
        await store.keep_heads(connection, list(heads.values()))
        await store.keep_exceptions(connection, records)
        await write_leaves(connection.cursor(), leaves)
        return messages

    @staticmethod
    def _is_new(head: Head, order: Order, digest: str, again: bool) -> bool:
        """Whether a write is owed: for new content always, for refused content only when it is asked for again."""
        if head.digest != digest:
            return order.version >= head.version
        return head.state in ("none", "waiting") or (again and head.state in ("refused", "set_aside"))

    def _today(self, company_code: str) -> date:
        company = self._ports.estate.company(company_code)
        return self._ports.clock.now().astimezone(ZoneInfo(company.time_zone if company else "UTC")).date()

    def _owed(self, head: Head, each: Known, payload: Order, cause: Message, now: datetime) -> Owed:
        mode = self._ports.estate.mode(head.connection, head.company_code)
        assert mode is not None, "a target has a mode"
        return Owed(
            connection=head.connection,
            operation=PUBLISH_ORDER,
            object_kind="order",
            object_id=head.object_id,
            object_version=head.sequence,
            company_code=head.company_code,
            correlation_id=each.correlation_id,
            payload=codec.encode(payload),
            mode=mode,
            due_at=now,
            causation_id=cause.message_id,
        )

    def _leaf(self, kind: str, head: Head, each: Known, now: datetime) -> Leaf:
        record = {
            "connection": head.connection,
            "version": head.version,
            "sequence": head.sequence,
            "content": head.digest,
            "document": head.remote_ref,
            "estate": self._ports.estate.digest,
            "at": now,
        }
        salt = self._ports.chance.randbytes(16)
        return make_leaf(kind, head.number, head.company_code, each.correlation_id, codec.encode(record), salt)

    @staticmethod
    def _published(head: Head, each: Known, cause: Message, now: datetime) -> Outgoing:
        value = OrderPublished(
            head.company_code, head.number, head.acknowledged_version, head.connection, head.remote_ref
        )
        return _event(ORDER_EVENTS, "order.published", each, codec.encode(value), str(value.version), cause, now)

    def _reconciled(
        self,
        each: Known,
        head: Head,
        standing: Sequence[ExceptionRecord],
        findings: Sequence[Finding],
        speaks_for: frozenset[str],
        cause: Message,
        now: datetime,
    ) -> Changes:
        if not findings and not any(record.is_open for record in standing):
            return Changes((), (), (), (), ())
        order = each.order
        found = self._ports.estate.calendar_of(order.company_code)
        assert found is not None, f"{order.company_code} has no calendar"
        context = Context(
            company_code=order.company_code,
            object_kind="order",
            object_id=order.number,
            object_version=head.sequence,
            content_hash=str(order.version),
            currency=order.currency,
            gross=_value(order),
            computed_from=stable_id("sha", str(order.version), *(finding.words for finding in findings)),
            policy_release=self._ports.pack.hash,
            code_version=installed_version("tripartite"),
            calendar=found[0],
            time_zone=found[1],
            speaks_for=speaks_for,
            supplier_id=order.supplier_id,
            connection=head.connection,
            correlation_id=each.correlation_id,
            causation_id=cause.message_id,
            object_refs=(order.number,),
            overrides=self._ports.pack.overrides(order.company_code, self._today(order.company_code)),
        )
        return reconcile(standing, findings, context, now)


def _keyed(owed: Sequence[Owed], heads: Mapping[Key, Head]) -> list[tuple[Owed, Key]]:
    keys = {head.object_id: key for key, head in heads.items()}
    return [(each, keys[each.object_id]) for each in owed]


def _takes_orders(kind: str) -> bool:
    return PUBLISH_ORDER in registry.manifest(kind).writes


def _value(order: Order) -> Amount:
    """What the order is worth, in its currency, as far as its lines say it: what may be billed late while it waits."""
    if order.net is not None:
        return Amount(abs(order.net))
    total = Amount(0)
    for line in order.lines:
        if line.limit is not None:
            total = Amount(total + line.limit)
        elif line.quantity is not None and line.price is not None:
            total = Amount(total + line.quantity * line.price / line.price_per)
    return Amount(total.quantize(Amount("0.01")))


def _refusal(outcome: DeliveryOutcome, order: Order) -> Finding:
    if outcome.state == "rejected":
        words = f"{outcome.connection} refused order {order.number}: {outcome.detail}"
        return Finding(code="posting.rejected", words=words[:600], rule="publication")
    words = f"Order {order.number} was set aside after {outcome.attempts} attempts: {outcome.detail}"
    return Finding(code="integration.retries_exhausted", words=words[:600], rule="publication")


def _exception_events(changes: Changes, each: Known, cause: Message, now: datetime) -> list[Outgoing]:
    told = (("opened", changes.opened), ("changed", changes.re_evaluated), ("cleared", changes.cleared))
    return [
        _event(EXCEPTION_EVENTS, f"exception.{what}", each, codec.encode(record), record.exception_id, cause, now)
        for what, records in told
        for record in records
    ]


def _event(topic: str, what: str, each: Known, payload: bytes, name: str, cause: Message, now: datetime) -> Outgoing:
    order = each.order
    return Outgoing(
        topic,
        Message(
            message_id=stable_id("msg", topic, what, order.company_code, order.number, name, cause.message_id),
            type=f"tripartite.{what}.v1",
            company_code=order.company_code,
            key=order.number,
            correlation_id=each.correlation_id,
            occurred_at=now,
            payload=payload,
            causation_id=cause.message_id,
            source=cause.source,
            trace_id=cause.trace_id,
        ),
    )
