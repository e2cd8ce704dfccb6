"""What the environment says: every setting of the process, with its meaning. `docs/settings.md` lists the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Read from `TRIPARTITE_*`. Nothing else reads the environment (secrets by reference apart)."""

    home: Path = Path(".tripartite")
    estate: Path = Path("estate.toml")
    database_url: str = ""
    database_owner_url: str = ""
    database_serving_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8300
    log_level: str = "INFO"
    log_format: str = "json"
    parser_workers: int = 1


MEANINGS: Mapping[str, str] = {
    "TRIPARTITE_HOME": "folder of the embedded database and generated secrets",
    "TRIPARTITE_ESTATE": "the estate file; its policy pack lies beside it",
    "TRIPARTITE_DATABASE_URL": "a PostgreSQL 15 or later, as the worker's role; empty: the embedded one",
    "TRIPARTITE_DATABASE_OWNER_URL": "the same as the owner of the schemas, for migrations; empty: DATABASE_URL",
    "TRIPARTITE_DATABASE_SERVING_URL": "the same as the role that serves people, bound by row security; HTTP needs it",
    "TRIPARTITE_HOST": "address the HTTP server listens on",
    "TRIPARTITE_PORT": "port the HTTP server listens on",
    "TRIPARTITE_LOG_LEVEL": "DEBUG, INFO, WARNING or ERROR",
    "TRIPARTITE_LOG_FORMAT": "json for machines, text for people",
    "TRIPARTITE_PARSER_WORKERS": "sub-processes that parse documents of untrusted formats",
}


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Errors: `msgspec.ValidationError` naming the field."""
    found = os.environ if environment is None else environment
    given = {
        name.removeprefix("TRIPARTITE_").lower(): value for name, value in found.items() if name in MEANINGS and value
    }
    return msgspec.convert(given, Settings, strict=False, dec_hook=lambda kind, value: kind(value))
