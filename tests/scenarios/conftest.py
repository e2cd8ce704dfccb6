"""What scenarios share: ports nobody else of this run uses."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

_TAKEN: set[int] = set()


@pytest.fixture
def unused_ports() -> Callable[[int], list[int]]:
    """So many free ports, from a range of this test worker's own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

    def find(count: int) -> list[int]:
        found = []
        for port in range(21_000 + worker * 1000, 22_000 + worker * 1000):
            if port in _TAKEN:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _TAKEN.add(port)
            found.append(port)
            if len(found) == count:
                return found
        raise OSError("no free port left")

    return find
