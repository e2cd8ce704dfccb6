"""The console component."""

from tripartite.runtime.component import Component
from tripartite.runtime.db import MigrationSet

component = Component("console", MigrationSet("console", "tripartite.components.console.migrations"))
