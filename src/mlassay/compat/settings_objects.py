"""The settings objects of the official Python interface: same names, same defaults, checked when set."""

from __future__ import annotations

import errno
import operator
import os
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from mlassay.core.errors import BadFile
from mlassay.rules.conf import Conf, ConfKind, parse_conf, read_conf
from mlassay.rules.official import MODES, OFFICIAL_DEFAULTS, apply
from mlassay.rules.reader import load_round, rounds
from mlassay.rules.write_conf import mlperf_conf_text

SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
SIGNED = frozenset({"server_find_peak_qps_decimals_of_precision", "server_max_async_queries"})
"""Whole numbers that may be negative; all others are unsigned 64-bit."""


class _OfficialEnum(Enum):
    """As the official bindings have them: named numbers that convert to int but do not equal one."""

    def __int__(self) -> int:
        return int(self.value)

    __index__ = __int__


class TestScenario(_OfficialEnum):
    SingleStream = 0
    MultiStream = 1
    Server = 2
    Offline = 3


class TestMode(_OfficialEnum):
    SubmissionRun = 0
    AccuracyOnly = 1
    PerformanceOnly = 2
    FindPeakPerformance = 3


class LoggingMode(_OfficialEnum):
    AsyncPoll = 0
    EndOfTestOnly = 1
    Synchronous = 2


for _kind in (TestScenario, TestMode):
    _kind.__test__ = False  # type: ignore[union-attr]  # "Test..." is no test case of pytest's

pending_errors: list[str] = []
"""What FromConfig found wrong: said in the detail log of the next run, as the official tool does."""
_user_confs_read: list[str] = []


class TestSettings:
    """The settings of a run by their official names; `mlassay.rules.official` says what each means.

    Setting an attribute checks its type: TypeError for a wrong one, AttributeError for an unknown name.
    """

    __slots__ = ("_values",)
    __test__ = False

    _values: dict[str, Any]

    def __init__(self) -> None:
        values = dict(OFFICIAL_DEFAULTS)
        values["scenario"] = TestScenario[values["scenario"]]
        values["mode"] = TestMode[values["mode"]]
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name: str) -> Any:
        if name in OFFICIAL_DEFAULTS:
            return self._values[name]
        raise AttributeError(f"TestSettings has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in OFFICIAL_DEFAULTS:
            raise AttributeError(f"TestSettings has no attribute {name!r}")
        self._values[name] = _checked(name, value)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *OFFICIAL_DEFAULTS]

    def FromConfig(self, path: str, model: str, scenario: str, conf_type: int = 1) -> int:  # noqa: N802 - official name
        """Lay a configuration file over the settings: 0, or the negative errno of what went wrong.

        `conf_type` 1: a user.conf, on top of the round's mlperf.conf; 0: the mlperf.conf alone (`path` is not read);
        2: any file, as audit.config. A file that cannot be read or understood is also an error in the next log.
        """
        if conf_type in (0, 1):
            self._lay([builtin_conf(model)], model, scenario)
        if conf_type == 0:
            return 0
        if conf_type == 1:
            if _user_confs_read:
                pending_errors.append("Multiple conf files are used. This is not valid for official submission.")
            _user_confs_read.append(path)
        try:
            conf = read_conf(path, ConfKind.USER if conf_type == 1 else ConfKind.AUDIT)
        except BadFile as error:
            pending_errors.append(str(error))
            return -errno.EINVAL if os.path.isfile(path) else -errno.ENOENT
        self._lay([conf], model, scenario)
        return 0

    def _lay(self, confs: list[Conf], model: str, scenario: str) -> None:
        values = apply(named_values(self), confs, model, scenario)
        for name in ("scenario", "mode"):
            kind: type[Enum] = TestScenario if name == "scenario" else TestMode
            values[name] = kind[values[name]]
        self._values.update(values)


def named_values(settings: TestSettings) -> dict[str, Any]:
    """Official attribute name to value, enums as their names: what `mlassay.rules.official` works on."""
    values = dict(settings._values)
    values["scenario"], values["mode"] = values["scenario"].name, values["mode"].name
    return values


@lru_cache(maxsize=64)
def builtin_conf(model: str) -> Conf:
    """The mlperf.conf that takes part without a file: the newest round's general lines, and for the model its lines
    from every round since v2.0, the newest winning: a model stays usable after it has left the benchmark. (Before v2.0
    MultiStream lines mean something else.)"""
    names = rounds()
    confs = [_conf_of(name) for name in reversed(names[names.index("v2.0") :])]
    chosen = {(e.model, e.scenario, e.key): e for e in confs[0].entries if e.model == "*"}
    for conf in confs:
        for entry in conf.entries:
            if entry.model == model:
                chosen.setdefault((entry.model, entry.scenario, entry.key), entry)
    return Conf("mlperf.conf", ConfKind.MLPERF, tuple(chosen.values()))


@lru_cache(maxsize=32)
def _conf_of(name: str) -> Conf:
    return parse_conf(mlperf_conf_text(load_round(name)), ConfKind.MLPERF, shown=f"mlperf.conf of {name}")


def _checked(name: str, value: Any) -> Any:
    """The value in the type of its attribute."""
    if name in ("scenario", "mode"):
        kind: type[Enum] = TestScenario if name == "scenario" else TestMode
        if not isinstance(value, kind):
            raise _wrong(name, value, f"a {kind.__name__}")
        return value
    default = OFFICIAL_DEFAULTS[name]
    if isinstance(default, bool):
        if isinstance(value, str | bytes | float):
            raise _wrong(name, value, "a bool")
        return bool(value)
    if isinstance(default, float):
        if isinstance(value, str | bytes):
            raise _wrong(name, value, "a number")
        return float(value)
    try:
        number = operator.index(value)
    except TypeError:
        raise _wrong(name, value, "a whole number") from None
    if not (-(2**31) if name in SIGNED else 0) <= number < 2**64:
        raise _wrong(name, value, "a 32-bit integer" if name in SIGNED else "0 to 2^64 - 1")
    return number


def _wrong(name: str, value: Any, expected: str) -> TypeError:
    return TypeError(f"TestSettings.{name} is {value!r} ({type(value).__name__}); expected {expected}")


class LogOutputSettings:
    """Where log files go and what they are called."""

    __slots__ = (
        "copy_detail_to_stdout",
        "copy_summary_to_stdout",
        "outdir",
        "prefix",
        "prefix_with_datetime",
        "suffix",
    )

    def __init__(self) -> None:
        self.outdir = "."
        self.prefix = "mlperf_log_"
        self.suffix = ""
        self.prefix_with_datetime = False
        self.copy_detail_to_stdout = False
        self.copy_summary_to_stdout = False


class LogSettings:
    """What is logged. Logs are written when the run is over, whatever `log_mode` says, but for the accuracy log."""

    __slots__ = ("_log_output", "enable_trace", "log_mode", "log_mode_async_poll_interval_ms")

    def __init__(self) -> None:
        self._log_output = LogOutputSettings()
        self.log_mode = LoggingMode.AsyncPoll
        self.log_mode_async_poll_interval_ms = 1000
        self.enable_trace = True

    @property
    def log_output(self) -> LogOutputSettings:
        return self._log_output

    @log_output.setter
    def log_output(self, value: LogOutputSettings) -> None:
        """Takes a copy, as the official bindings do: later changes of `value` have no effect."""
        copy = LogOutputSettings()
        for name in LogOutputSettings.__slots__:
            setattr(copy, name, getattr(value, name))
        self._log_output = copy


def audited(values: Mapping[str, Any], audit: Conf) -> dict[str, Any]:
    """The settings of a compliance test: `audit` laid on top for any model."""
    return apply(values, [audit], "*", str(values["scenario"]))


assert tuple(m.name for m in TestMode) == MODES
