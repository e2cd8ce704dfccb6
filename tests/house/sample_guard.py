"""Turns a skipped test of real documents into a failure: where they must be there, their absence is no success.

A plugin, not a test: `.ci/run` and `make test-real` load it with `-p house.sample_guard`. It looks at tests marked
`samples`, and at whole files that skip themselves for want of TRIPARTITE_SAMPLES.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_seen: set[str] = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.get_closest_marker("samples") is not None:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} reads real documents and was skipped: {_why(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and "TRIPARTITE_SAMPLES" in _why(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} reads real documents and was skipped: {_why(report.longrepr)}"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed and "samples" in report.keywords:
        _seen.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Workers of pytest-xdist see a part only; the process that gathers the reports judges.
    if hasattr(session.config, "workerinput") or session.exitstatus != pytest.ExitCode.OK:
        return
    if not _seen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nNo test of real documents ran, and at least one must.")


def _why(longrepr: object) -> str:
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
