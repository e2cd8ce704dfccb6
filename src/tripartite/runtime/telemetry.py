"""Spans, counters and logs: OpenTelemetry for the first, Prometheus for the second, structured lines for the third.

A span per batch, per outside call and per act, never per step of a document: the timeline of a document comes from
its recorded facts and links to these. Spans are kept in PostgreSQL too, so that the console works without a collector.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Span, StatusCode
from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector

from tripartite.runtime.db import Database, copy_rows
from tripartite.runtime.protocol import Call
from tripartite.runtime.secrets import redact

MOST_WAITING_SPANS = 20_000  # beyond this the oldest are dropped: telemetry never holds up business


class _Kept(SpanProcessor):
    """Keeps finished spans until the flusher takes them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)
        if len(self.spans) > MOST_WAITING_SPANS:
            del self.spans[: MOST_WAITING_SPANS // 2]


class Telemetry:
    """One per process. `span(...)` times a piece of work; `call(...)` records an outside call."""

    def __init__(self, service: str) -> None:
        self._kept = _Kept()
        provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(self._kept)
        self._tracer = provider.get_tracer("tripartite")
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "tripartite_calls_total", "Outside calls", ["connection", "operation", "outcome"], registry=self.registry
        )
        self.call_seconds = Histogram(
            "tripartite_call_seconds", "Duration of outside calls", ["connection"], registry=self.registry
        )
        self.documents = Counter(
            "tripartite_documents_total",
            "Documents taken in (intake, by disposition), answers to deliveries (delivery, by state)",
            ["stage", "outcome"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    @contextlib.contextmanager
    def span(self, name: str, **attributes: str | int | float) -> Iterator[Span]:
        """A span around a piece of work; an exception marks it and goes on."""
        with self._tracer.start_as_current_span(name, attributes=attributes) as span:
            yield span

    def trace_id(self) -> str:
        """The current trace in hex, or empty."""
        context = trace.get_current_span().get_span_context()
        return format(context.trace_id, "032x") if context.is_valid else ""

    def call(self, call: Call) -> None:
        """Record one outside call: counted, timed, and a span of its own in the current trace."""
        outcome = "none" if call.status == 0 else f"{call.status // 100}xx"
        self.calls.labels(call.connection, call.operation, outcome).inc()
        self.call_seconds.labels(call.connection).observe(call.seconds)
        end = int(datetime.now(UTC).timestamp() * 1e9)
        span = self._tracer.start_span(
            f"call {call.operation or 'http'}",
            start_time=end - int(call.seconds * 1e9),
            attributes={"connection": call.connection, "http.response.status_code": call.status, "error": call.error},
        )
        if call.status == 0 or call.status >= 400:
            span.set_status(StatusCode.ERROR, call.error or str(call.status))
        span.end(end)

    async def flush(self, db: Database) -> int:
        """Write the finished spans to PostgreSQL."""
        spans, self._kept.spans = self._kept.spans, []
        rows = [_row(span) for span in spans if span.context is not None]
        if rows:
            async with db.connection() as connection:
                await copy_rows(connection, "runtime.span", _COLUMNS, rows)
        return len(rows)

    async def keep_flushing(self, db: Database, every_seconds: float = 1.0) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            with contextlib.suppress(Exception):
                await self.flush(db)


_COLUMNS = (
    *("span_id", "trace_id", "parent_id", "name", "component", "connection"),
    *("started_at", "seconds", "status", "attributes"),
)


def _row(span: ReadableSpan) -> tuple[Any, ...]:
    attributes = dict(span.attributes or {})
    start, end = span.start_time or 0, span.end_time or 0
    context = span.context
    assert context is not None
    return (
        format(context.span_id, "016x"),
        format(context.trace_id, "032x"),
        format(span.parent.span_id, "016x") if span.parent else "",
        span.name,
        str(attributes.pop("component", "")),
        str(attributes.pop("connection", "")),
        datetime.fromtimestamp(start / 1e9, UTC),
        (end - start) / 1e9,
        "error" if span.status.status_code is StatusCode.ERROR else "ok",
        attributes,
    )


def configure_logging(*, level: str = "INFO", lines: bool = True) -> None:
    """Structured log lines on standard error, one JSON object each, with the correlation id where one is bound."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if lines else structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx2", "httpcore2", "procrastinate", "psycopg.pool", "_granian", "granian"):
        logging.getLogger(noisy).setLevel("WARNING")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
