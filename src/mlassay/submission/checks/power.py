"""POW: power measured at the wall, as far as its logs tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from mlassay.rules.round import PowerRule
from mlassay.submission import layout as lay
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import DETAIL, SUMMARY, ResultFolder, number, read_json
from mlassay.submission.power import power_folder, power_of, readings
from mlassay.submission.runlog import moment
from mlassay.submission.tree import NotReadable

CLAUSE = "Power measurement rules"


def _rule(result: ResultFolder) -> PowerRule | None:
    return result.round.power if result.has_power and result.bare is None else None


@check(
    "POW001",
    Scope.RESULT,
    "file of the power measurement missing",
    since="v1.0",
    example="found no performance/power/server.json",
    official="power_wg_checks",
    clause=CLAUSE,
)
def files(result: ResultFolder) -> Iterator[Found]:
    """The two programs of a measurement leave five files; together they tie the meter to the run."""
    rule = _rule(result)
    folder = power_folder(result, "power")
    if rule is None or folder is None:
        return
    have = set(result.tree.filenames(folder))
    for name in rule.power_files:
        if name not in have:
            yield Found(f"{folder}/{name}", "absent", "the files of the power measurement")


@check(
    "POW002",
    Scope.RESULT,
    "ranging run missing or incomplete",
    since="v1.0",
    example="found no performance/ranging",
    official="power_wg_checks",
    clause=CLAUSE,
)
def ranging(result: ResultFolder) -> Iterator[Found]:
    """The first of two runs finds the meter's range, the second measures: both are submitted."""
    rule = _rule(result)
    if rule is None:
        return
    folder = power_folder(result, "ranging")
    if folder is None:
        yield Found(f"{result.performance_folder}/ranging", "absent", "the ranging run")
        return
    for name in (DETAIL, SUMMARY, *rule.extra_run_files):
        if name not in result.tree.filenames(folder):
            yield Found(f"{folder}/{name}", "absent", "logs and readings of the ranging run")


@check(
    "POW003",
    Scope.RESULT,
    "power readings missing",
    since="v1.0",
    example="found no run_1/spl.txt",
    official="power_wg_checks",
    clause=CLAUSE,
)
def readings_present(result: ResultFolder) -> Iterator[Found]:
    """spl.txt holds the meter's readings, one a line; without them there is no power result."""
    if _rule(result) is not None and result.run is not None and not result.run.has("spl.txt"):
        yield Found(result.run.file("spl.txt"), "absent", "the readings of the run")


@check(
    "POW004",
    Scope.RESULT,
    "power readings do not cover the run",
    since="v1.0",
    example="found no reading between begin and end of the run",
    official="power_wg_checks",
    clause=CLAUSE,
)
def covered(result: ResultFolder) -> Iterator[Found]:
    """The meter reads once a second. Fewer readings between the run's begin and end than half of its seconds mean that
    clocks were apart or the meter stopped."""
    run = result.run
    if _rule(result) is None or run is None or not run.has("spl.txt"):
        return
    begin, end = moment(run.log.get("power_begin")), moment(run.log.get("power_end"))
    if begin is None or end is None:
        yield Found(run.where, "no power_begin and power_end", "the marks that readings are matched by")
        return
    power = power_of(result)
    if power is None:
        yield Found(run.file("spl.txt"), "no reading between begin and end of the run", "one reading a second")
    elif power.n_readings < (end - begin).total_seconds() / 2:
        seconds = (end - begin).total_seconds()
        yield Found(run.file("spl.txt"), f"{power.n_readings} readings in {seconds:,.0f} s", "one reading a second")


@check(
    "POW005",
    Scope.RESULT,
    "power readings that cannot be",
    since="v1.0",
    example="found a reading of -3 watts",
    official="power_wg_checks",
    clause=CLAUSE,
)
def believable(result: ResultFolder) -> Iterator[Found]:
    """Readings are positive numbers in the order of time; lines that are no readings are reported."""
    run = result.run
    if _rule(result) is None or run is None or not run.has("spl.txt"):
        return
    problems: list[str] = []
    last: datetime | None = None
    path = run.file("spl.txt")
    try:
        for reading in readings(result.tree, path, problems):
            if not 0 <= reading.watts < 1e8:
                yield Found(path, f"a reading of {reading.watts:g} watts", "a positive number")
                return
            if last is not None and reading.when < last:
                yield Found(
                    path, f"a reading of {reading.when:%H:%M:%S} after one of {last:%H:%M:%S}", "readings in order"
                )
                return
            last = reading.when
    except NotReadable as error:
        yield Found(path, error.reason, "readings, one a line")
        return
    if problems:
        yield Found(path, problems[0], "Time,<stamp>,Watts,<number>,...")


def _sessions(result: ResultFolder) -> Iterator[tuple[str, object]]:
    folder = power_folder(result, "power")
    for name in ("client.json", "server.json"):
        if folder and name in result.tree.filenames(folder):
            yield f"{folder}/{name}", read_json(result.tree, f"{folder}/{name}")


@check(
    "POW006",
    Scope.RESULT,
    "session file that cannot be read",
    since="v1.0",
    example="found client.json not JSON",
    official="power_wg_checks",
    clause=CLAUSE,
)
def sessions_readable(result: ResultFolder) -> Iterator[Found]:
    """client.json and server.json tell versions, clocks, checksums and messages of the session."""
    if _rule(result) is None:
        return
    for path, file in _sessions(result):
        problem = getattr(file, "problem", "")
        if problem:
            yield Found(path, problem, "a JSON object")


@check(
    "POW007",
    Scope.RESULT,
    "client and server are of different sessions",
    since="v1.0",
    example="found uuid a1 in client.json and b2 in server.json",
    official="power_wg_checks",
    clause=CLAUSE,
)
def one_session(result: ResultFolder) -> Iterator[Found]:
    """Each side writes the identifiers of both: they must be the same in both files, and so must the session's name."""
    if _rule(result) is None:
        return
    files = [(p, getattr(f, "data", {})) for p, f in _sessions(result)]
    if len(files) < 2:
        return
    (path, client), (_, server) = files
    for key in ("uuid", "session_name"):
        one, other = client.get(key), server.get(key)
        if one is not None and other is not None and one != other:
            yield Found(path, f"{key} {_short(one)} in client.json and {_short(other)} in server.json", "one session")


def _short(value: object) -> str:
    return str(value)[:80]


@check(
    "POW008",
    Scope.RESULT,
    "clocks of client and server too far apart",
    since="v1.0",
    example="found 1,500 ms; expected at most 800 ms",
    official="power_wg_checks",
    clause=CLAUSE,
)
def clocks(result: ResultFolder) -> Iterator[Found]:
    """Readings are matched to the run by time, so the two machines' clocks agree within 800 ms."""
    rule = _rule(result)
    if rule is None:
        return
    files = [(p, getattr(f, "data", {})) for p, f in _sessions(result)]
    if len(files) < 2:
        return
    apart = [_stamps(data.get("phases")) for _, data in files]
    for one, other in zip(apart[0], apart[1], strict=False):
        difference = abs(one - other) * 1000
        if difference > rule.max_clock_difference_ms:
            yield Found(files[0][0], f"{difference:,.0f} ms", f"at most {rule.max_clock_difference_ms} ms")
            return


def _stamps(phases: object) -> list[float]:
    """The first stamp of each phase: `phases: {ranging: [[seconds, ...], ...], testing: ...}`."""
    stamps = []
    if isinstance(phases, dict):
        for name in ("ranging", "testing"):
            steps = phases.get(name)
            first = steps[0] if isinstance(steps, list) and steps else None
            value = number(first[0]) if isinstance(first, list) and first else None
            if value is not None:
                stamps.append(value)
    return stamps


@check(
    "POW009",
    Scope.RESULT,
    "description of the power set-up missing",
    since="v1.0",
    example="found no analyzer_table",
    official="power_wg_checks",
    clause=CLAUSE,
)
def documents(result: ResultFolder) -> Iterator[Found]:
    """analyzer_table and power_settings describe the meter and the settings, at some level above the result. The v6
    tools no longer look."""
    rule = _rule(result)
    if rule is None:
        return
    folders, folder = [], result.measurements_folder
    for _ in range(4):
        folders.append(folder)
        folder = lay.parent(folder)
    folders += [result.path, result.submitter.path("documentation"), result.submitter.place.path]
    names = {n.partition(".")[0].lower() for f in folders for n in result.tree.filenames(f)}
    for name in rule.documents:
        if name.partition(".")[0].lower() not in names:
            yield Found(result.measurements_folder, f"no {name}", "it, here or at most three levels above")


_PTD_ERROR = re.compile(r"^.*(?:ERROR|Uncertainty.*(?:exceed|too)|Watts.*overflow).*$", re.IGNORECASE | re.MULTILINE)


@check(
    "POW010",
    Scope.RESULT,
    "meter reported errors",
    severity=Severity.WARNING,
    since="v1.0",
    example="found ERROR: uncertainty exceeded",
    official="power_wg_checks",
    clause=CLAUSE,
)
def meter(result: ResultFolder) -> Iterator[Found]:
    """ptd_logs.txt is the meter program's own log; its errors and uncertainty warnings put the readings in doubt."""
    folder = power_folder(result, "power")
    if _rule(result) is None or folder is None:
        return
    path = f"{folder}/ptd_logs.txt"
    if not result.tree.is_file(path):
        return
    try:
        text = result.tree.read(path, 32 << 20).decode("utf-8", "replace")
    except NotReadable:
        return
    found = _PTD_ERROR.findall(text)
    if found:
        yield Found(path, f"{found[0].strip()[:160]} ({len(found)} such lines)", "a log without errors")
