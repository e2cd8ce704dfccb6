"""`python -m tripartite` is the same as `tripartite`."""

from tripartite.cli.main import run

run()
