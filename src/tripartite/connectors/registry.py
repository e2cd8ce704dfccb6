"""Finds a connector by its kind: the folder of that name, its five files by their fixed names."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType

import tripartite.connectors as here
from tripartite.runtime.protocol import Client, ClientPorts, Connection, Manifest, Reader, Writer


def kinds() -> tuple[str, ...]:
    """The kinds that exist: every folder of connectors/ with a manifest."""
    return tuple(
        sorted(
            entry.name
            for entry in pkgutil.iter_modules(here.__path__)
            if entry.ispkg and importlib.util.find_spec(f"{here.__name__}.{entry.name}.manifest")
        )
    )


@cache
def _part(kind: str, part: str) -> ModuleType:
    return importlib.import_module(f"{here.__name__}.{kind}.{part}")


def manifest(kind: str) -> Manifest:
    found: Manifest = _part(kind, "manifest").MANIFEST
    return found


def readers(kind: str, settings: Mapping[str, str] | None = None) -> Mapping[str, Reader]:
    """The readers of a kind; for a connection's settings where the vendor can be set up differently."""
    part = _part(kind, "transform")
    if settings and hasattr(part, "readers_for"):
        return _readers_for(kind, tuple(sorted(settings.items())))
    found: Mapping[str, Reader] = part.READERS
    return found


@cache
def _readers_for(kind: str, settings: tuple[tuple[str, str], ...]) -> Mapping[str, Reader]:
    found: Mapping[str, Reader] = _part(kind, "transform").readers_for(dict(settings))
    return found


def writers(kind: str) -> Mapping[str, Writer]:
    found: Mapping[str, Writer] = _part(kind, "transform").WRITERS
    return found


def connect(connection: Connection, ports: ClientPorts) -> Client:
    client: Client = _part(connection.kind, "client").connect(connection, ports)
    return client


def simulator(kind: str) -> ModuleType:
    return _part(kind, "simulator")
