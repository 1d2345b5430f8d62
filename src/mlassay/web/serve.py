"""Runs the dashboard's server on this machine until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlassay.core.errors import MachineProblem, MissingDependency
from mlassay.results.database import Database
from mlassay.web.texts import load_texts

if TYPE_CHECKING:
    import uvicorn

PORT = 8017
HOST = "127.0.0.1"


def serve(
    database: Database,
    *,
    ready: Callable[[str], None],
    port: int = PORT,
    language: str = "en",
    runs: Path | None = None,
) -> None:
    """Serve until Ctrl-C; `runs` is the folder whose runs in progress are shown. `ready` is told the address.

    Raises MachineProblem when the port is taken.
    """
    server = make_server(database, language=language, runs=runs)
    with listening(port) as listener:
        ready(address_of(listener))
        server.run(sockets=[listener])


def make_server(database: Database, *, language: str = "en", runs: Path | None = None) -> uvicorn.Server:
    """The server, not yet running: `run(sockets=[listening(port)])` starts it, `should_exit = True` ends it."""
    try:
        import starlette  # noqa: F401 - the server's modules import it at their top
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingDependency(str(error.name), extra="web", why="the dashboard's server needs it") from error
    from mlassay.web.live import LiveView
    from mlassay.web.server import Dashboard, application

    texts = load_texts(language)
    app = application(Dashboard(database, texts, live=LiveView(runs, texts) if runs else None))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=1,  # listeners of the live page never leave by themselves
    )
    return uvicorn.Server(config)


def address_of(listener: socket.socket) -> str:
    """The address that a browser is given."""
    return f"http://{HOST}:{listener.getsockname()[1]}/"


def listening(port: int) -> socket.socket:
    """A socket that listens on the loopback address; port 0 takes a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        hint = "give another with --port, or --port 0 for any free one"
        raise MachineProblem(f"port {port} of {HOST}: {(error.strerror or str(error)).lower()}", hint=hint) from error
    return listener
