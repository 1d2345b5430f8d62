"""The dashboard on this machine: read-only, for this machine's own browsers, everything escaped and bounded.

Pages are built anew when the database has changed, and kept until then.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from mlassay.core.errors import MlassayError, UsageError
from mlassay.results.database import Database, TooSlow
from mlassay.results.detail import result
from mlassay.results.export import results_csv
from mlassay.web.guard import LOCAL, Guard
from mlassay.web.index import NOTHING, Index, read_index, state_of
from mlassay.web.links import Links
from mlassay.web.live import MAX_LISTENERS, LiveView
from mlassay.web.page import Context, NoSuchPage, Page
from mlassay.web.pages.results import matching
from mlassay.web.render import render
from mlassay.web.routes import build
from mlassay.web.texts import Texts

SECONDS = 5.0
"""Longest time that the questions of one page may take."""
MAX_KEPT = 256
MAX_QUERY = 8000
MAX_FIELDS = 200
MAX_CSV_ROWS = 20_000
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the package, in memory: no path from outside ever reaches the disk."""

    body: bytes
    media_type: str
    etag: str


def assets() -> dict[str, Asset]:
    """Style sheet, scripts and icon by name."""
    out = {}
    for place in files("mlassay.web").joinpath("static").iterdir():
        kind = TYPES.get(place.name.rpartition(".")[2])
        if kind:
            body = place.read_bytes()
            out[place.name] = Asset(body, kind, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
    return out


class Dashboard:
    """Pages of one database, kept until it changes. Safe to use from several threads."""

    def __init__(self, database: Database, texts: Texts, *, live: LiveView | None = None, keep: int = MAX_KEPT) -> None:
        self.database = database
        self.texts = texts
        self.live = live
        self.keep = keep
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()

    def html(self, path: str, query: str) -> str:
        """The page at a path. Raises NoSuchPage, UnknownName, UsageError, TooSlow."""
        with self.database.reading(seconds=SECONDS) as connection:
            state = state_of(connection)
            kept = self._known(state, path, query)
            if kept is not None:
                return kept
            index = self._index_for(state) or read_index(connection)
            context = Context(connection, index, Links(path), self.texts)
            text = self.text(build(context, path, fields_of(query)), context)
        with self._lock:
            if self._index is None or self._index.state != index.state:
                self._index = index
                self._kept.clear()
            if self.keep:
                self._kept[path, query] = text
                while len(self._kept) > self.keep:
                    self._kept.popitem(last=False)
        return text

    def text(self, page: Page, context: Context) -> str:
        return render(page, context, live=self.live is not None)

    def error(self, title: str, message: str) -> str:
        """A page that says what went wrong and what to do; it needs no database."""
        page = Page(template="error.html", title=self.texts(f"error.{title}"), data={"message": message, "kind": title})
        return self.text(page, self._without_database())

    def live_page(self, live: LiveView) -> str:
        """The runs in progress; never kept."""
        context = self._without_database()
        return self.text(live.page(context), context)

    def _without_database(self) -> Context:
        return Context(None, NOTHING, Links(""), self.texts)  # type: ignore[arg-type]  # nothing is asked

    def csv(self, query: str) -> str:
        """The filtered results as comma-separated values."""
        with self.database.reading(seconds=SECONDS) as connection:
            context = Context(connection, NOTHING, Links("results.csv"), self.texts)
            return results_csv(matching(context, fields_of(query), MAX_CSV_ROWS))

    def json(self, name: str) -> str:
        """Everything about one result, for programs. Raises NoSuchPage."""
        with self.database.reading(seconds=SECONDS) as connection:
            index = self._index_for(state_of(connection)) or read_index(connection)
            if name not in index.results:
                raise NoSuchPage(self.texts("error.no_page", path=f"result/{name[:100]}.json"))
            found = result(connection, index.results[name])
        return json.dumps(dataclasses.asdict(found), ensure_ascii=False, indent=1)

    def _known(self, state: str, path: str, query: str) -> str | None:
        with self._lock:
            if self._index is None or self._index.state != state or (path, query) not in self._kept:
                return None
            self._kept.move_to_end((path, query))
            return self._kept[path, query]

    def _index_for(self, state: str) -> Index | None:
        with self._lock:
            return self._index if self._index is not None and self._index.state == state else None


class TooLong(UsageError):
    """An address with more in it than a table has filters."""


def fields_of(query: str) -> dict[str, list[str]]:
    """The fields of an address. Raises TooLong."""
    if len(query) > MAX_QUERY or query.count("&") >= MAX_FIELDS:
        raise TooLong("")
    return parse_qs(query, keep_blank_values=True)


PROBLEMS: tuple[tuple[type[MlassayError], int, str], ...] = (
    (NoSuchPage, 404, "not_found"),
    (TooLong, 414, "too_long"),
    (TooSlow, 503, "too_slow"),
    (MlassayError, 400, "bad_request"),
)
"""What each mistake is answered with: the first that fits."""


def application(dashboard: Dashboard, hosts: Sequence[str] = LOCAL) -> ASGIApp:
    """The web application. Only GET and HEAD exist, and only names of this machine are answered."""
    known = assets()

    def explained(ask: Callable[[], Response]) -> Response:
        try:
            return ask()
        except MlassayError as error:
            status, title = next((s, t) for kind, s, t in PROBLEMS if isinstance(error, kind))
            return HTMLResponse(dashboard.error(title, str(error)), status)

    def page(request: Request) -> Response:
        path, query = request.url.path.strip("/"), request.url.query
        return explained(lambda: HTMLResponse(dashboard.html(path, query)))

    def csv(request: Request) -> Response:
        headers = {"Content-Disposition": "attachment; filename=results.csv"}
        return explained(lambda: Response(dashboard.csv(request.url.query), media_type="text/csv", headers=headers))

    def as_json(request: Request) -> Response:
        name = request.path_params["name"]
        headers = {"Content-Disposition": "attachment; filename=result.json"}
        return explained(lambda: Response(dashboard.json(name), media_type="application/json", headers=headers))

    live = dashboard.live

    def live_page(_request: Request) -> Response:
        return HTMLResponse(
            dashboard.live_page(live) if live else dashboard.error("not_found", ""), 200 if live else 404
        )

    def events(_request: Request) -> Response:
        if live is None or live.listeners >= MAX_LISTENERS:
            return Response("not here, or too many listeners\n", 404 if live is None else 503, media_type="text/plain")
        return StreamingResponse(live.events(), media_type="text/event-stream")

    def asset(request: Request) -> Response:
        found = known.get(request.path_params["name"])
        if found is None:
            return HTMLResponse(dashboard.error("not_found", ""), 404)
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers={"ETag": found.etag})
        return Response(found.body, media_type=found.media_type, headers={"ETag": found.etag})

    def failed(_request: Request, _error: Exception) -> Response:
        return HTMLResponse(dashboard.error("internal", ""), 500)

    app = Starlette(
        routes=[
            Route("/static/{name}", asset),
            Route("/results.csv", csv),
            Route("/result/{name}.json", as_json),
            Route("/live", live_page),
            Route("/live/events", events),
            Route("/{path:path}", page),
        ],
        exception_handlers={Exception: failed},
    )
    return Guard(app, tuple(hosts))
