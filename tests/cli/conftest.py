"""Ports for tests of commands: the same as for scenarios."""

from scenarios.conftest import unused_ports

__all__ = ["unused_ports"]
