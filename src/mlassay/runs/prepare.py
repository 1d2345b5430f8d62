"""From a request to everything that a run needs: the open task, the SUT, the settings.

What the user leaves open and no rule decides is measured in a short probe, and the record says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mlassay.backends import backend_registry
from mlassay.backends.wrap import as_sut
from mlassay.core.enums import Division, Mode, Scenario
from mlassay.core.errors import RuleViolation, UsageError
from mlassay.core.model import ModelSpec
from mlassay.core.settings import MultiStream, Offline, Settings, SingleStream
from mlassay.core.sut import SUT
from mlassay.core.units import NS_PER_S, counted, format_ns, format_rate
from mlassay.loadgen.drive import drive
from mlassay.loadgen.measures import measure
from mlassay.loadgen.plan import plan
from mlassay.rules.reader import load_round
from mlassay.rules.resolve import resolve
from mlassay.rules.wishes import Wishes
from mlassay.runs.opened import open_task, with_backend
from mlassay.runs.request import RunRequest
from mlassay.runs.user_conf import confs_of, laid_over, overruled, with_expectations
from mlassay.runs.worker import PredictFactory
from mlassay.stats.percentile import percentile
from mlassay.tasks.task import OpenTask

PROBE_QUERIES = 12
PROBE_NS = NS_PER_S
"""A probe runs so many queries, and stops after so long."""

PROBE_SAMPLES = 16
"""The first Offline probe; the next ones hold GROWTH times as many, until one lasts LONG_ENOUGH_NS."""

GROWTH = 4

LONG_ENOUGH_NS = NS_PER_S // 2

HEADROOM = 2
"""The query list is sized for a SUT this many times faster than the probe saw, so that it does not run out: with the
generator's own slack of two, for one that is four times as fast."""

OFFLINE_HEADROOM = 1.05
"""The Offline query is sized for a SUT that is faster by this than its probe, beside the generator's own slack of 1.1:
a query that ends before the minimum duration is a run lost, and a longer one costs a few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that can start. `probed` says what was measured because nobody said it; `conf_warnings` name lines of
    configuration files that do not do what they seem to."""

    request: RunRequest
    task: OpenTask
    sut: SUT
    settings: Settings
    probed: tuple[str, ...] = ()
    conf_warnings: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self.task.warnings, *self.conf_warnings)


def make_sut(request: RunRequest, model: ModelSpec) -> SUT:
    """The user's own code, wrapped if need be, or the named backend with the task's model."""
    if request.sut is not None:
        return as_sut(request.sut, max_batch=request.max_batch, max_delay_ms=request.max_delay_ms)
    request = with_backend(request)
    backend = backend_registry.load(request.backend)
    if request.backend == "null":
        sut: SUT = backend()
        return sut
    if request.workers:
        from mlassay.backends.worker_pool import WorkerPoolSUT

        backend(model, **request.backend_options)  # a wrong option is refused here, not inside a worker
        factory = PredictFactory(request)
        batch = int(request.backend_options.get("max_batch", 32))
        return WorkerPoolSUT(factory, workers=request.workers, max_batch=batch, name=request.backend)
    made: SUT = backend(model, **request.backend_options)
    return made


def prepare(request: RunRequest, *, task: OpenTask | None = None, sut: SUT | None = None) -> Prepared:
    """Open the task, make the SUT, resolve the settings; probe what is left open.

    `task` and `sut` of an earlier run of the same request may be handed in. Raises the task's, backend's and rules'
    own errors; UsageError when a Server rate is missing.
    """
    request = with_backend(request)
    task = task or open_task(request)
    confs = confs_of(request)
    asked = _short_if_asked(_wishes_of(request, task))
    wishes = with_expectations(asked, confs)
    disputed = overruled(asked, wishes)
    laid_over(resolve(wishes), wishes, confs)  # refuse what the rules refuse before anything is loaded
    sut = sut or make_sut(request, task.model)
    wishes, probed = _probe(wishes, task, sut)
    settings = laid_over(resolve(wishes), wishes, confs)
    warnings = tuple(f"{conf.path}, {warning}" for conf in confs for warning in conf.warnings) + disputed
    return Prepared(request=request, task=task, sut=sut, settings=settings, probed=probed, conf_warnings=warnings)


def _wishes_of(request: RunRequest, task: OpenTask) -> Wishes:
    """The wishes with the benchmark that the profile stands for in this round, and a division that fits."""
    wishes = request.wishes
    if wishes.round == "none":
        generates = task.model.generation is not None and request.sut is None
        if generates and wishes.token_latencies is None:
            wishes = replace(wishes, token_latencies=True)
        return replace(wishes, benchmark=wishes.benchmark or task.name)
    if not wishes.benchmark:
        known = load_round(wishes.round).benchmarks if isinstance(wishes.round, str) else {}
        match = next((b for b in task.profile.benchmarks if b in known), "")
        if not match:
            raise UsageError(
                f"round {wishes.round} has no benchmark for {task.name} ({task.profile.name})",
                hint=f"mlassay rules show {wishes.round}; or --round none",
            )
        wishes = replace(wishes, benchmark=match)
    if task.profile.official:
        return wishes
    if not request.division_given:
        return replace(wishes, division=Division.OPEN)
    if wishes.division is not Division.OPEN:
        raise RuleViolation(
            f"{task.profile.name} is not the model and data set of {wishes.benchmark}: it can only be entered in open",
            clause=f"{wishes.round}, closed division: the reference model and data set",
            hint="use --division open, or give the official model and data",
        )
    return wishes


def _short_if_asked(wishes: Wishes) -> Wishes:
    """Who asks for a shorter duration than the round's and names no count wants the counts short too."""
    if wishes.round == "none" or wishes.min_duration_ns is None:
        return wishes
    if wishes.min_duration_ns >= resolve(replace(wishes, min_duration_ns=None)).required.min_duration_ns:
        return wishes
    return replace(
        wishes,
        min_query_count=1 if wishes.min_query_count is None else wishes.min_query_count,
        min_sample_count=1 if wishes.min_sample_count is None else wishes.min_sample_count,
    )


def _probe(wishes: Wishes, task: OpenTask, sut: SUT) -> tuple[Wishes, tuple[str, ...]]:
    """Measure the expectation that sizes the query list, where the user gave none."""
    if wishes.mode is Mode.ACCURACY:
        return (replace(wishes, target_qps=wishes.target_qps or 1000.0), ()) if _is_server(wishes) else (wishes, ())
    if wishes.scenario is Scenario.OFFLINE and wishes.target_qps is None:
        rate, samples = probe_offline_rate(task, sut)
        note = f"expected rate {format_rate(rate, 'samples')}, measured in probes of {counted(samples, 'sample')}"
        return replace(wishes, target_qps=OFFLINE_HEADROOM * rate), (note,)
    if wishes.scenario in (Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM) and wishes.expected_latency_ns is None:
        settings = resolve(wishes)
        if not isinstance(settings.load, SingleStream | MultiStream):
            return wishes, ()
        latency_ns = probe_latency_ns(task, sut, settings.load)
        note = f"expected latency {format_ns(latency_ns)}, half of what a probe of {PROBE_QUERIES} queries measured"
        return replace(wishes, expected_latency_ns=latency_ns), (note,)
    if _is_server(wishes) and wishes.target_qps is None:
        raise UsageError(
            f"the {wishes.scenario.value} scenario needs a rate",
            hint="give --target-qps, or let --mode find-peak find the highest valid one",
        )
    return wishes, ()


def _is_server(wishes: Wishes) -> bool:
    return wishes.scenario in (Scenario.SERVER, Scenario.INTERACTIVE)


def probe_latency_ns(task: OpenTask, sut: SUT, load: SingleStream | MultiStream) -> int:
    """A low estimate of the SUT's latency, ns."""
    scenario = Scenario.SINGLE_STREAM if isinstance(load, SingleStream) else Scenario.MULTI_STREAM
    recording = _short_run(task, sut, scenario, load, PROBE_QUERIES)
    latency = measure(recording.trace, _probe_settings(scenario, load, PROBE_QUERIES)).query_latency_ns
    if not len(latency):
        return NS_PER_S
    return max(1, int(percentile(latency, 10)) // HEADROOM)


def probe_offline_rate(task: OpenTask, sut: SUT) -> tuple[float, int]:
    """(samples per second that the SUT answers in one large query, samples of the largest probe).

    The better of two that are long enough: short ones flatter a SUT that has caches, and what disturbs a probe (first
    use, other programs) only makes it slower.
    """

    def took_ns(samples: int) -> int:
        recording = _short_run(task, sut, Scenario.OFFLINE, Offline(min_sample_count=samples), 1)
        failed = bool(recording.faults) or not recording.trace.n_samples
        return NS_PER_S if failed else max(1, int(recording.trace.done_ns.max()))

    samples = PROBE_SAMPLES
    while (first_ns := took_ns(samples)) < LONG_ENOUGH_NS:
        samples *= GROWTH
    return samples * NS_PER_S / min(first_ns, took_ns(samples)), samples


def _probe_settings(scenario: Scenario, load: Any, queries: int) -> Settings:
    return Settings(scenario=scenario, load=load, min_duration_ns=0, min_query_count=queries, max_duration_ns=PROBE_NS)


def _short_run(task: OpenTask, sut: SUT, scenario: Scenario, load: Any, queries: int) -> Any:
    settings = _probe_settings(scenario, load, queries)
    library = task.library
    plans = plan(settings, library.total_count, library.performance_count)
    return drive(settings, plans, sut, library, close=False)
