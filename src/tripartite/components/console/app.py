"""The console component: server-rendered pages for people. It has no tables and no consumers; it asks the owners."""

from __future__ import annotations

from tripartite.components.console.routes import routes
from tripartite.runtime.component import Component
from tripartite.runtime.db import MigrationSet

component = Component(
    "console",
    MigrationSet("console", "tripartite.components.console.migrations"),
    routes=routes,
)
