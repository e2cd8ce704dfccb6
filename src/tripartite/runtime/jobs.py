"""Schedules: polls and sweeps that come again and again, kept by Procrastinate. The one file that knows it.

Each schedule is a periodic task with a queue of its own; its job runs on whichever process has that schedule and takes
it, decides nothing, and may run twice. A process never takes the job of a schedule that it does not have: parts run
alone, and the engine would throw away what it does not know. A job whose worker died is put aside by `rescue` so that
nothing waits for it. The document path does not come here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import procrastinate
import psycopg
from procrastinate import schema
from procrastinate.exceptions import AlreadyEnqueued

from tripartite.runtime.component import Schedule

log = logging.getLogger(__name__)
STALLED_SECONDS = 120


def install(owner_url: str) -> bool:
    """Make the engine's tables in the schema `jobs`, once. True where they were made now."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("SELECT pg_advisory_lock(7461904)")
        owner.execute("CREATE SCHEMA IF NOT EXISTS jobs")
        there = owner.execute("SELECT to_regclass('jobs.procrastinate_jobs')").fetchone()
        if there is not None and there[0] is not None:
            return False
        text = schema.SchemaManager.get_schema()
        with owner.transaction():
            owner.execute("SET LOCAL search_path = jobs")
            owner.execute(text.replace("%%", "%").encode())
        return True


class Jobs:
    """Runs the schedules of this process until cancelled."""

    def __init__(self, url: str, schedules: Sequence[Schedule]) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=url, min_size=1, max_size=4, kwargs={"options": "-c search_path=jobs", "application_name": "jobs"}
        )
        self._app = procrastinate.App(connector=connector)
        self._schedules = schedules
        for schedule in schedules:
            self._register(schedule)

    def _register(self, schedule: Schedule) -> None:
        async def run(timestamp: int) -> None:
            await schedule.run()

        task = self._app.task(name=schedule.name, queue=schedule.name, queueing_lock=f"one {schedule.name}")(run)
        self._app.periodic(cron=_cron(schedule.every_seconds), periodic_id=schedule.name)(task)

    async def run(self) -> None:
        """Work until cancelled; the database may go and come back."""
        while True:
            try:
                async with self._app.open_async():
                    await self._rescue()
                    await self._app.run_worker_async(
                        queues=[schedule.name for schedule in self._schedules],
                        concurrency=4,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        fetch_job_polling_interval=0.5,
                        listen_notify=True,
                    )
            except asyncio.CancelledError:
                raise
            except (psycopg.Error, procrastinate.exceptions.ConnectorException, AlreadyEnqueued) as error:
                log.warning("schedules interrupted", extra={"error": str(error)[:200]})
                await asyncio.sleep(1.0)

    async def _rescue(self) -> None:
        """Put aside jobs whose worker died: the next period brings a new one."""
        stalled: Any = await self._app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
        for job in stalled:
            await self._app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=True)


def _cron(every_seconds: int) -> str:
    """A period as a cron line with seconds; assert on one that does not divide a minute or an hour."""
    if every_seconds < 60:
        assert 60 % every_seconds == 0, "a period below a minute divides it"
        return f"* * * * * */{every_seconds}"
    minutes = every_seconds // 60
    assert every_seconds % 60 == 0, "a period above a minute is of whole minutes"
    assert 60 % minutes == 0, "and divides an hour"
    return f"*/{minutes} * * * *"
