"""`tripartite init` and `tripartite check`: a new estate, and the proof that an estate and its policy are whole.

The only file reading for estate and policy stands here; what is found is core's. Exit 0 good, 1 findings, 2 no input.
"""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from tripartite.connectors import registry
from tripartite.core.estate import Estate, EstateFinding, KindFacts, Wrong, check_estate, load_estate
from tripartite.core.policy import Pack, PolicyFinding, check_pack, load_pack

ESTATE_FILE = "estate.toml"


class DocumentInbox(msgspec.Struct, frozen=True):
    """The one kind that is no vendor: e-invoices and EDI by file or upload (connectors/documents)."""

    roles: tuple[str, ...] = ("documents",)
    auth: str = "none"
    writes: tuple[str, ...] = ()


def known_kinds() -> Mapping[str, KindFacts]:
    """Every connector kind that exists, with what its manifest says."""
    kinds: dict[str, KindFacts] = {kind: registry.manifest(kind) for kind in registry.kinds()}
    kinds.setdefault("documents", DocumentInbox())
    return kinds


def baseline_files() -> dict[str, str]:
    """The baseline policy pack, as its files."""
    return toml_files(resources.files("tripartite") / "policy_packs" / "baseline")


def toml_files(folder: Traversable | Path) -> dict[str, str]:
    """The TOML files of a folder, by name. Errors: `OSError`, `ValueError`."""
    return {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml")}


def init(directory: Path) -> int:
    """Writes a commented development estate and a copy of the baseline policy into `directory`.

    Nothing that is there is overwritten: with an estate.toml in place it says so and exits 2.
    """
    estate_file, policy = directory / ESTATE_FILE, directory / "policy"
    for there in (estate_file, policy):
        if there.exists():
            print(f"{there} exists already; nothing was written.", file=sys.stderr)
            return 2
    policy.mkdir(parents=True)
    template = resources.files("tripartite") / "cli" / "templates" / ESTATE_FILE
    estate_file.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    for name, text in sorted(baseline_files().items()):
        (policy / name).write_text(text, encoding="utf-8")
    print(f"Wrote {estate_file} and {policy}. Next: tripartite check {directory}")
    return 0


def read_estate(path: Path) -> tuple[Estate | list[Wrong], str]:
    """The estate of a file or of the folder that holds estate.toml, and its text. Errors: `OSError`, `ValueError`."""
    file = path / ESTATE_FILE if path.is_dir() else path
    text = file.read_text(encoding="utf-8")
    return load_estate(text, str(file)), text


def read_pack(estate: Estate, path: Path) -> Pack | list[Wrong]:
    """The policy pack that the estate names: a folder beside its file. Errors: `OSError`, `ValueError`."""
    home = path if path.is_dir() else path.parent
    folder = (home / estate.policy).resolve()
    if not folder.is_relative_to(home.resolve()):
        return [Wrong(str(path), 0, "estate.policy", f"{estate.policy!r} leads out of the estate's folder")]
    if not folder.is_dir():
        return [Wrong(str(path), 0, "estate.policy", f"there is no folder {estate.policy!r} beside the estate")]
    return load_pack(toml_files(folder))


def check(path: Path, *, json: bool = False) -> int:
    """Proves the estate and its policy pack complete and consistent; prints every finding with its place.

    `path`: the estate's folder or file. With `json` one document goes to standard output. Exit 0 where it may run
    (warnings may stand), 1 where an error was found, 2 where there is nothing to read.
    """
    try:
        estate, text = read_estate(path)
        pack = read_pack(estate, path) if isinstance(estate, Estate) else None
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    wrong = [entry for part in (estate, pack) if isinstance(part, list) for entry in part]
    estate_findings = check_estate(estate, known_kinds(), text) if isinstance(estate, Estate) else []
    pack_findings = check_pack(pack, estate) if isinstance(pack, Pack) and isinstance(estate, Estate) else []
    severities = [entry.severity for entry in estate_findings] + [entry.severity for entry in pack_findings]
    errors = len(wrong) + severities.count("error")
    if json:
        print(json_module.dumps(_report(estate, pack, wrong, estate_findings, pack_findings, errors), indent=2))
    else:
        _show(path, estate, pack, wrong, estate_findings, pack_findings, errors)
    return 1 if errors else 0


def _report(
    estate: Estate | list[Wrong],
    pack: Pack | list[Wrong] | None,
    wrong: list[Wrong],
    estate_findings: list[EstateFinding],
    pack_findings: list[PolicyFinding],
    errors: int,
) -> dict[str, Any]:
    return {
        "ok": not errors,
        "estate": {"name": estate.name, "digest": estate.digest} if isinstance(estate, Estate) else None,
        "policy": {"name": pack.name, "release": pack.release, "hash": pack.hash} if isinstance(pack, Pack) else None,
        "wrong": [msgspec.to_builtins(entry) for entry in wrong],
        "estate_findings": [msgspec.to_builtins(entry) for entry in estate_findings],
        "policy_findings": [msgspec.to_builtins(entry) for entry in pack_findings],
    }


def _show(
    path: Path,
    estate: Estate | list[Wrong],
    pack: Pack | list[Wrong] | None,
    wrong: list[Wrong],
    estate_findings: list[EstateFinding],
    pack_findings: list[PolicyFinding],
    errors: int,
) -> None:
    for entry in wrong:
        print(f"error    {entry}")
    for found in estate_findings:
        print(f"{found.severity:8} {path}:{found.line}: {found.key}: {found.words}")
    for spoken in pack_findings:
        print(f"{spoken.severity:8} policy: {', '.join(spoken.rows)}: {spoken.words}")
    if isinstance(estate, Estate) and isinstance(pack, Pack) and not errors:
        print(
            f"{estate.name}: {len(estate.companies)} companies, {len(estate.connections)} connections, "
            f"policy {pack.name} {pack.release} ({pack.hash[:12]}): complete and consistent."
        )
    elif errors:
        print(f"{errors} to settle before it may run.")
