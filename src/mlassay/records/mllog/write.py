"""Writes training logs: one function for each flavour of line, and a writer that flushes each."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from mlassay.records.mllog.event import END, POINT, START, Flavour


def format_mllog(
    key: str, value: object, metadata: Mapping[str, Any], *, time_ms: int, event_type: str = POINT, namespace: str = ""
) -> str:
    """One `:::MLLOG` line without its newline, byte-equal to the official writer's."""
    body = {
        "namespace": namespace,
        "time_ms": time_ms,
        "event_type": event_type,
        "key": key,
        "value": value,
        "metadata": metadata,
    }
    return ":::MLLOG " + json.dumps(body, default=_plain)


def format_v06(key: str, value: object, metadata: Mapping[str, Any], *, time_ms: int) -> str:
    """One `:::MLL` line: seconds with three decimals, value before metadata."""
    body = json.dumps({"value": value, "metadata": metadata}, default=_plain)
    return f":::MLL {time_ms // 1000}.{time_ms % 1000:03d} {key}: {body}"


def format_v05(tag: str, value: object, *, benchmark: str, time_ns: int, file: str, lineno: int) -> str:
    """One `:::MLPv0.5.0` line: seconds with nine decimals; a value of None is a tag alone."""
    seconds = f"{time_ns // 10**9}.{time_ns % 10**9:09d}"
    tail = "" if value is None else ": " + json.dumps(value, default=_plain)
    return f":::MLPv0.5.0 {benchmark} {seconds} ({file}:{lineno}) {tag}{tail}"


def _plain(value: object) -> Any:
    """numpy and torch scalars and arrays as JSON values; anything else is refused by name."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a log cannot hold a {type(value).__name__}; give a number, text, list or mapping")


class LogWriter:
    """Appends events to one open text file, one flushed line each, so that a killed run leaves whole lines.

    Times are passed in nanoseconds since 1970 (default: now). The caller's file and line join the metadata, as the
    official writer does.
    """

    def __init__(
        self,
        file: IO[str],
        *,
        flavour: Flavour = Flavour.MLLOG,
        benchmark: str = "",
        namespace: str = "",
        root: Path | None = None,
    ) -> None:
        if flavour is Flavour.TEXT:
            raise ValueError("the home-made text flavour is read, never written")
        self._file, self._flavour, self._benchmark, self._namespace = file, flavour, benchmark, namespace
        self._root = f"{root}/" if root else ""  # trimmed from file names

    def event(self, key: str, value: object = None, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        self._write(key, value, metadata, POINT, **kw)

    def start(self, key: str, value: object = None, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        self._write(key, value, metadata, START, **kw)

    def end(self, key: str, value: object = None, metadata: Mapping[str, Any] | None = None, **kw: Any) -> None:
        self._write(key, value, metadata, END, **kw)

    def _write(
        self,
        key: str,
        value: object,
        metadata: Mapping[str, Any] | None,
        event_type: str,
        *,
        time_ns: int | None = None,
        depth: int = 1,
    ) -> None:
        frame = sys._getframe(1 + depth)
        when = time.time_ns() if time_ns is None else time_ns
        file, lineno = frame.f_code.co_filename.removeprefix(self._root), frame.f_lineno
        if self._flavour is Flavour.V05:
            line = format_v05(key, value, benchmark=self._benchmark, time_ns=when, file=file, lineno=lineno)
        else:
            about = {"file": file, "lineno": lineno, **(metadata or {})}
            if self._flavour is Flavour.V06:
                line = format_v06(key, value, about, time_ms=when // 10**6)
            else:
                line = format_mllog(
                    key, value, about, time_ms=when // 10**6, event_type=event_type, namespace=self._namespace
                )
        self._file.write(line + "\n")
        self._file.flush()
