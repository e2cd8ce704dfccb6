"""Copies the console's vendor files out of node_modules, under names that carry a hash of their content.

    npm ci --ignore-scripts && python scripts/assets.py

Nothing is built or rewritten, with one exception: Tabler's rules are put into the cascade layer `vendor`, so that the
console's own style sheet wins wherever both speak and looks the same without them. Without node_modules nothing is
copied and the console still works. Exit 0 done, 2 node_modules is missing.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "src/tripartite/components/console/assets/vendor"


def hashed(name: str, content: bytes) -> str:
    """`name.ext` as `name.<first 10 of its SHA-256>.ext`: another content is another address."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:10]}.{ending}"


def layered(css: bytes) -> bytes:
    """Tabler's rules in the layer `vendor`. Its source map is left out: it is not served."""
    text = css.decode().removeprefix('@charset "UTF-8";').removeprefix("\ufeff")
    text = text.partition("/*# sourceMappingURL")[0]
    return f"@layer vendor{{{text}}}\n".encode()


def main() -> int:
    """Copy the files; says what was written and how large it is."""
    if not MODULES.is_dir():
        sys.stderr.write("node_modules is missing: run `npm ci --ignore-scripts` first\n")
        return 2
    font = (MODULES / "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2").read_bytes()
    face = (
        "@font-face{font-family:'Inter Variable';font-style:normal;font-weight:100 900;font-display:swap;"
        f"src:url({hashed('inter.woff2', font)}) format('woff2-variations')}}\n"
    )
    files = {
        "inter.woff2": font,
        "inter.css": face.encode(),
        "tabler.css": layered((MODULES / "@tabler/core/dist/css/tabler.min.css").read_bytes()),
        "htmx.js": (MODULES / "htmx.org/dist/htmx.min.js").read_bytes().partition(b"//# sourceMappingURL")[0],
    }
    VENDOR.mkdir(parents=True, exist_ok=True)
    for old in VENDOR.iterdir():
        old.unlink()
    for name, content in files.items():
        place = VENDOR / hashed(name, content)
        place.write_bytes(content)
        sys.stdout.write(f"{place.relative_to(ROOT)} {len(content):,} bytes\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
