"""The ports of time, chance and identity: what production passes in where rehearsal passes its own."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec


def _system_now() -> datetime:
    return datetime.now(UTC)


class TimeOrderedIds:
    """Ids that sort by the millisecond of their making: a prefix, 48 bits of time, 80 bits of chance."""

    def new(self, prefix: str) -> str:
        stamp = (time.time_ns() // 1_000_000).to_bytes(6, "big")
        return f"{prefix}_{(stamp + secrets.token_bytes(10)).hex()}"


class Clock(msgspec.Struct, frozen=True):
    """UTC now, a monotonic counter for durations, and a sleep."""

    now: Callable[[], datetime] = _system_now
    counter: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def system_random() -> random.Random:
    return random.SystemRandom()
