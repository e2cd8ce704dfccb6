"""The outside comes in through ports: who may know the clock, chance, the network, the job engine."""

from __future__ import annotations

import ast

from house.tree import CONNECTORS, ROOT, SOURCE, imports, is_of, name_of, part_of, python_files, tree

OUTSIDE = frozenset(
    {
        *("time", "uuid", "random", "secrets", "os", "threading", "multiprocessing", "concurrent", "subprocess"),
        *("socket", "ssl", "select", "selectors", "http", "urllib.request", "httpx", "httpx2", "httpcore2", "requests"),
        *("aiohttp", "granian", "tempfile", "shutil", "signal"),
    }
)
TALKING = frozenset(
    {
        *("socket", "ssl", "http.client", "http.server", "urllib.request", "httpx", "httpx2", "httpcore", "httpcore2"),
        *("requests", "aiohttp", "granian", "smtplib", "ftplib", "socketserver"),
    }
)
# Core is computed from values. What it may use of the standard library is a list, so that a new name is a question.
CORE_MAY_USE = frozenset(
    {
        *("__future__", "base64", "binascii", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum"),
        *("fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "re", "string"),
        *("typing", "unicodedata", "urllib.parse", "zoneinfo", "tripartite.core"),
        *("msgspec", "rapidfuzz", "stdnum", "schwifty"),
        # Tables that lie beside the code, read once at import: they are part of the program.
        *("importlib", "tomllib"),
    }
)
MAY_TALK = {
    "src/tripartite/cli/bench.py": "the load that the product is measured under",
    "src/tripartite/cli/staging.py": "looks which ports are free for the simulators",
    "src/tripartite/runtime/http.py": "the one HTTP client of the product: the rules for what may be called",
    "src/tripartite/runtime/sockets.py": "opens listening sockets for the server",
    "src/tripartite/runtime/process.py": "runs the HTTP server",
    "src/tripartite/rehearsal/people.py": "plays the people who work at our console",
    "src/tripartite/rehearsal/vendors.py": "tells the vendors on the bench what happens there",
    "src/tripartite/rehearsal/world.py": "plays the people and machines that call us",
    "src/tripartite/rehearsal/simulators.py": "serves the vendors on the bench",
}
NOW = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def _findings(findings: list[str]) -> str:
    return "\n" + "\n".join(findings)


def test_no_component_knows_the_clock_chance_the_network_or_threads() -> None:
    findings = [
        f"{name_of(path)}:{line} imports {module}; take it from Ports"
        for path in python_files(SOURCE / "components")
        for module, line in imports(path)
        if is_of(module, OUTSIDE)
    ]
    assert not findings, _findings(findings)


def test_core_uses_only_what_computes() -> None:
    findings = [
        f"{name_of(path)}:{line} imports {module}"
        for path in python_files(SOURCE / "core")
        for module, line in imports(path)
        if not is_of(module, CORE_MAY_USE)
    ]
    assert not findings, _findings(findings)


def test_core_is_made_of_plain_functions() -> None:
    findings = [
        f"{name_of(path)}:{node.lineno} is asynchronous"
        for path in python_files(SOURCE / "core")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor)
    ]
    assert not findings, _findings(findings)


def test_nobody_inside_asks_what_time_it_is() -> None:
    findings = []
    for folder in (SOURCE / "core", SOURCE / "components", CONNECTORS):
        for path in python_files(folder):
            for node in ast.walk(tree(path)):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and (node.value.id, node.attr) in NOW
                ):
                    findings.append(f"{name_of(path)}:{node.lineno} reads {node.value.id}.{node.attr}")
    assert not findings, _findings(findings)


def test_a_translation_is_pure_and_a_data_sheet_is_data() -> None:
    findings = [
        f"{name_of(path)}:{line} imports {module}"
        for path in python_files(CONNECTORS)
        if path.parent != CONNECTORS and part_of(path) in ("transform", "wire", "manifest")
        for module, line in imports(path)
        if is_of(module, OUTSIDE | {"asyncio"})
    ]
    assert not findings, _findings(findings)


def test_only_the_named_files_open_connections() -> None:
    findings, talkers = [], set()
    for path in python_files(SOURCE):
        name = name_of(path)
        # A client talks through the port it is given; the part of a simulator that sends webhooks opens its own.
        if path.name == "announcing.py" and CONNECTORS in path.parents:
            continue
        for module, line in imports(path):
            if is_of(module, TALKING):
                talkers.add(name)
                if name not in MAY_TALK:
                    findings.append(f"{name}:{line} imports {module}")
    assert not findings, _findings(findings)
    assert set(MAY_TALK) <= talkers, f"no longer needed in MAY_TALK: {set(MAY_TALK) - talkers}"


def test_only_jobs_knows_the_job_engine() -> None:
    users = {
        name_of(path)
        for path in python_files(SOURCE)
        for module, _ in imports(path)
        if is_of(module, frozenset({"procrastinate"}))
    }
    assert users == {"src/tripartite/runtime/jobs.py"}


def test_pickle_is_nowhere() -> None:
    unsafe = frozenset({"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml"})
    findings = [
        f"{name_of(path)}:{line} imports {module}"
        for folder in (ROOT / "src", ROOT / "tests", ROOT / "scripts")
        for path in python_files(folder)
        for module, line in imports(path)
        if is_of(module, unsafe)
    ]
    assert not findings, _findings(findings)


def test_nothing_is_evaluated_from_text() -> None:
    findings = [
        f"{name_of(path)}:{node.lineno} calls {node.func.id}"
        for path in python_files(SOURCE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert not findings, _findings(findings)
