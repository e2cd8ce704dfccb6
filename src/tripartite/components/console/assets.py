"""The console's static files: read once, served under names that carry a hash of their content, so cached for ever.

Own files stand in `assets/`; vendor files in `assets/vendor/`, put there by scripts/assets.py with hashed names. The
console works without the vendor files: then nothing links to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
PREFIX = "/assets/"
CACHE_CONTROL = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True):
    """One served file: the hashed name it has in an address, and its bytes."""

    name: str
    content: bytes
    media_type: str


class Assets(msgspec.Struct, frozen=True):
    """All served files by address, and the addresses by plain name (`console.css`)."""

    by_name: Mapping[str, Asset]
    address_of: Mapping[str, str]

    def url(self, plain: str) -> str:
        """The address of a file by its plain name; empty where it is not there (vendor files may be missing)."""
        return self.address_of.get(plain, "")


def _files(folder: Traversable) -> list[tuple[str, bytes]]:
    return [
        (entry.name, entry.read_bytes())
        for entry in folder.iterdir()
        if entry.is_file() and entry.name.rpartition(".")[2] in TYPES
    ]


@cache
def load() -> Assets:
    """Read every file of `assets/` once per process."""
    folder = resources.files(__package__) / "assets"
    found: dict[str, Asset] = {}
    addresses: dict[str, str] = {}
    for plain, content in _files(folder):
        stem, _, ending = plain.rpartition(".")
        name = f"{stem}.{hashlib.sha256(content).hexdigest()[:10]}.{ending}"
        found[name] = Asset(name, content, TYPES[ending])
        addresses[plain] = PREFIX + name
    vendor = folder / "vendor"
    for name, content in _files(vendor) if vendor.is_dir() else []:
        stem, _, ending = name.rpartition(".")
        found[name] = Asset(name, content, TYPES[ending])
        addresses[f"{stem.rpartition('.')[0]}.{ending}"] = PREFIX + name
    return Assets(found, addresses)
