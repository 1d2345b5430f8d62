"""A PostgreSQL server of the tests' own, from Debian's packages, in a temporary directory: or a clean skip."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _programs() -> Path | None:
    """Directory of initdb and pg_ctl: on the path, or where Debian puts them."""
    found = shutil.which("pg_ctl")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return candidates[-1].parent if candidates else None


def _as_postgres() -> dict[str, object]:
    """PostgreSQL refuses to run as root; as somebody else it runs as that person."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("no user postgres to run the server as")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def postgres_url() -> Iterator[str]:
    """Start a server, yield the URL of an empty database, stop the server and leave nothing behind.

    Not below pytest's own directory: that is closed to other users, and the server runs as one.
    """
    pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server installed (Debian: apt-get install postgresql)")
    who = _as_postgres()
    folder = Path(tempfile.mkdtemp(prefix="mlassay-pg-"))
    folder.chmod(0o755)
    data, sockets = folder / "data", folder / "s"
    for place in (data, sockets):
        place.mkdir(mode=0o700)
        if who:
            os.chown(place, int(str(who["user"])), int(str(who["group"])))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = {"check": True, "capture_output": True, "cwd": "/", "timeout": 120, **who}
    try:
        subprocess.run([programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-N"], **run)  # type: ignore[call-overload]
        options = f"-p {port} -k {sockets} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = sockets / "log"
        subprocess.run([programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start"], **run)  # type: ignore[call-overload]
    except (subprocess.SubprocessError, OSError) as error:
        detail = getattr(error, "stderr", b"") or b""
        pytest.skip(f"PostgreSQL does not start here: {error} {detail[-300:].decode(errors='replace')}")
    try:
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **{**run, "check": False})  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
