"""Who may import whom: the contracts of import-linter are whole, and those that it cannot say."""

from __future__ import annotations

import tomllib

from house.tree import CONNECTORS, ROOT, SOURCE, imports, name_of, part_of, python_files

VENDORS = sorted(path.parent.name for path in CONNECTORS.glob("*/manifest.py"))


def _contracts() -> dict[str, dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {each["name"]: each for each in settings["tool"]["importlinter"]["contracts"]}


def test_the_layers_of_the_contract_are_the_folders_of_the_house() -> None:
    layers = _contracts()["imports go one way"]["layers"]
    assert layers == [
        f"tripartite.{name}" for name in ("cli", "rehearsal", "components", "connectors", "runtime", "core")
    ]
    apart = {"policy_packs", "verifier"}  # data, and the verifier that trusts nothing of ours
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - apart == {str(layer).removeprefix("tripartite.") for layer in layers}


def test_every_vendor_stands_in_the_contract_that_keeps_vendors_apart() -> None:
    named = _contracts()["vendors do not import one another"]["modules"]
    assert named == [f"tripartite.connectors.{vendor}" for vendor in VENDORS]


def test_no_component_names_another() -> None:
    components = SOURCE / "components"
    findings = []
    for path in python_files(components):
        own = path.relative_to(components).parts[0]
        for module, line in imports(path):
            parts = module.split(".")
            if parts[:2] == ["tripartite", "components"] and parts[2:3] != [own]:
                findings.append(f"{name_of(path)}:{line} imports {module}")
    assert not findings, "\n".join(findings)


def test_a_simulator_is_written_from_the_documentation_and_not_from_our_translation() -> None:
    findings, seen = [], set()
    for vendor in VENDORS:
        for path in python_files(CONNECTORS / vendor):
            if part_of(path) not in ("simulator", "announcing"):
                continue
            seen.add(vendor)
            for module, line in imports(path):
                if module.startswith(tuple(f"tripartite.connectors.{vendor}.{part}" for part in ("transform", "wire"))):
                    findings.append(f"{name_of(path)}:{line} imports {module}")
    assert not findings, "\n".join(findings)
    assert seen == set(VENDORS)


def test_the_verifier_needs_nothing_of_ours() -> None:
    findings = [
        f"{name_of(path)}:{line} imports {module}"
        for path in python_files(SOURCE / "verifier")
        for module, line in imports(path)
        if module.startswith("tripartite")
    ]
    assert not findings, "\n".join(findings)
