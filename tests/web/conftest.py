"""A small database with hostile names and runs of one's own, and the real server over it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("jinja2")

from mlassay.core.outcome import Verdict
from mlassay.results.database import Database, open_database
from mlassay.results.importer import import_path
from mlassay.web.serve import address_of, listening, make_server
from tests.results.places import REPOSITORIES, archive
from tests.results.runs import lognormal, write_run
from tests.results.servers import postgres_url
from tests.results.trees import InferenceTree

HOSTILE_SUBMITTER = 'Ev<img src=x onerror="alert(1)">il'
HOSTILE_SYSTEM = "\"><svg onload=alert(2)>'{{7*7}}"
HOSTILE_ACCELERATOR = "</script><script>alert(3)</script>\u2028<!--"


def fill(database: Database, folder: Path) -> None:
    """Two honest systems, one hostile one, three runs of one's own."""
    tree = InferenceTree(folder)
    for name in ("one", "two"):
        tree.system(name)
        for scenario in ("Offline", "Server", "SingleStream"):
            tree.result(name, scenario=scenario)
    tree.system(HOSTILE_SYSTEM, submitter=HOSTILE_SUBMITTER, accelerator_model_name=HOSTILE_ACCELERATOR)
    tree.result(HOSTILE_SYSTEM, submitter=HOSTILE_SUBMITTER)
    import_path(database, tree.root)
    for name, verdict in (("good", Verdict.VALID), ("short", Verdict.INDICATIVE), ("bad", Verdict.INVALID)):
        write_run(folder / "runs" / name, lognormal(len(name), 2000), verdict=verdict)
    import_path(database, folder / "runs")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("web")
    database = open_database(folder / "results.db")
    fill(database, folder)
    yield database
    database.close()


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The three archives of the first rounds."""
    paths = [archive(name) for name in REPOSITORIES]
    database = open_database(tmp_path_factory.mktemp("web-history") / "results.db")
    for path in paths:
        import_path(database, path)
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real server."""
    yield from postgres_url()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Served:
    """A running server."""

    address: str
    port: int

    def ask(self, target: str, method: str = "GET", **headers: str) -> Answer:
        """One request, the target sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, target, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read().decode("utf-8")
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)
        finally:
            connection.close()


def serve(database: Database, runs: Path | None = None) -> Iterator[Served]:
    """The server in a thread, until the test is done."""
    server = make_server(database, runs=runs)
    with listening(0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Served(address_of(listener), listener.getsockname()[1])
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="session")
def server(small: Database) -> Iterator[Served]:
    yield from serve(small)


@pytest.fixture(scope="session")
def history_server(history: Database) -> Iterator[Served]:
    yield from serve(history)
