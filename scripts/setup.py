"""Makes `.venv` and the console's front-end assets from the locks. Standard library only: it runs before all else.

Not for choosing versions (scripts/lock.py does). What is there already is kept; a second run takes a second or two.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
OLDEST = (3, 11)
OLDEST_NPM = 8  # the first that reads a lock without download addresses


def main() -> int:
    if sys.version_info < OLDEST:
        return _fail(f"Tripartite needs Python 3.11 or later; this is {sys.version.split()[0]}.")
    try:
        _environment()
        _packages()
    except subprocess.CalledProcessError as error:
        return _fail(f"set-up stopped: {' '.join(map(str, error.cmd))} ended with {error.returncode}")
    _assets()
    (VENV / ".stamp").touch()
    return 0


def _environment() -> None:
    """A virtual environment of a Python that is new enough; one that no longer starts is made anew."""
    if _starts(PYTHON) and _has_pip():
        return
    _say("making .venv")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return
    # Debian keeps ensurepip in a package of its own; the machine's own pip can serve a bare environment as well.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV], check=True)
    if not _has_pip():
        sys.stderr.write(made.stdout + made.stderr)
        raise subprocess.CalledProcessError(made.returncode, ["python3 -m venv .venv (on Debian: python3-venv)"])


def _starts(python: Path) -> bool:
    probe = f"import sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _pip() -> list[str | Path]:
    """The command that installs into `.venv`: its own pip, else the machine's pointed at it."""
    own = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False)
    return [PYTHON, "-m", "pip"] if own.returncode == 0 else [sys.executable, "-m", "pip", "--python", PYTHON]


def _has_pip() -> bool:
    return subprocess.run([*_pip(), "--version"], capture_output=True, check=False).returncode == 0


def _packages() -> None:
    """The locked packages, each checked against its hash, and the project itself from this folder."""
    quiet = ["--quiet", "--disable-pip-version-check"]
    _say("installing what requirements.lock names")
    _run([*_pip(), "install", *quiet, "--require-hashes", "-r", ROOT / "requirements.lock"])
    # The build backend is in the lock too, so that building the project fetches nothing that has no hash.
    _run([*_pip(), "install", *quiet, "--no-deps", "--no-build-isolation", "--editable", ROOT])


def _assets() -> None:
    """Fonts, styles and scripts of the console. Without them it is plainer and works, so trouble here is only said."""
    package, lock, script = ROOT / "package.json", ROOT / "package-lock.json", ROOT / "scripts" / "assets.py"
    if not all(each.is_file() for each in (package, lock, script)):
        return
    stamp, wanted = VENV / ".assets", _digest([package, lock, script])
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted and (ROOT / "node_modules").is_dir():
        return
    try:
        npm = _npm()
        _say("installing the console's assets")
        path = os.pathsep.join([str(npm.parent), os.environ.get("PATH", "")])
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], path=path)
        _run([PYTHON, script])
    except (subprocess.CalledProcessError, OSError) as error:
        _say(f"the console's assets could not be installed ({error}); it will look plainer. `make setup` tries again.")
        return
    stamp.write_text(wanted, encoding="ascii")


def _npm() -> Path:
    """The machine's npm, or the one of the locked Node package."""
    found = shutil.which("npm")
    if found is not None and shutil.which("node") is not None and _major(Path(found)) >= OLDEST_NPM:
        return Path(found)
    if not (BIN / "npm").exists():
        _say("no npm on this machine: installing what requirements-node.lock names")
        _run([*_pip(), "install", "--quiet", "--require-hashes", "-r", ROOT / "requirements-node.lock"])
    return BIN / "npm"


def _major(npm: Path) -> int:
    said = subprocess.run([npm, "--version"], capture_output=True, text=True, check=False, cwd=ROOT)
    first = said.stdout.strip().partition(".")[0]
    return int(first) if first.isdecimal() else 0


def _digest(files: Sequence[Path]) -> str:
    return hashlib.sha256(b"\0".join(each.read_bytes() for each in files)).hexdigest()


def _run(command: Sequence[str | Path], *, path: str = "") -> None:
    environment = {**os.environ, "PATH": path} if path else None
    subprocess.run([str(each) for each in command], check=True, cwd=ROOT, env=environment)


def _say(what: str) -> None:
    sys.stderr.write(f"setup: {what}\n")
    sys.stderr.flush()


def _fail(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
