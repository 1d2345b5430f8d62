"""Tables of inference v0.5, as published: counts, shares, frameworks, processor classes, spread, scores."""

from __future__ import annotations

from dataclasses import replace

from mlassay.results.labels import benchmark_title
from mlassay.results.published_rows import closed_results, published_results, sources_of
from mlassay.results.queries import Filter, ResultView, grouped
from mlassay.results.schema import sa
from mlassay.results.table import Cell, Table

TASKS = ("gnmt", "mobilenet", "resnet", "ssd-small", "ssd-large")
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
CLASSES = ("ASIC", "CPU", "DSP", "FPGA", "GPU")
FRAMEWORKS = (
    "Arm NN",
    "Furiosa AI",
    "Hailo SDK",
    "HanGuang AI",
    "ONNX",
    "OpenVINO",
    "PyTorch",
    "SNPE",
    "Synapse",
    "TensorFlow",
    "TensorFlow Lite",
    "TensorRT",
)
"""The twelve rows of the published table, in its order."""
INFERENCE = Filter(suite=("inference",), round=("v0.5",), published=True)


def task_scenario(connection: sa.Connection) -> Table:
    """Closed results of inference v0.5 per task and scenario, with the open total."""
    rows = closed_results(connection, "v0.5")
    counts = {(b, s): 0 for b in TASKS for s in SCENARIOS}
    for row in rows:
        counts[row.benchmark, row.scenario] = counts.get((row.benchmark, row.scenario), 0) + 1
    body: list[tuple[Cell, ...]] = []
    for task in TASKS:
        cells = [counts[task, s] for s in SCENARIOS]
        body.append((benchmark_title(task), *cells, sum(cells)))
    totals = [sum(counts[t, s] for t in TASKS) for s in SCENARIOS]
    n_open = grouped(connection, ("division",), INFERENCE).get(("open",), 0)
    body += [("closed", *totals, sum(totals))]
    body += [("open", None, None, None, None, n_open), ("together", None, None, None, None, sum(totals) + n_open)]
    other = len(rows) - sum(totals)
    notes = ("open results are counted together: most are one submitter's exploration of model variants",)
    return Table(
        id="task-scenario",
        title="Inference v0.5: results per task and scenario, closed division",
        columns=("task", *SCENARIOS, "all"),
        rows=tuple(body),
        rule="one results/<system>/<benchmark>/<scenario> directory is one result; audit runs are not results; "
        "all availability categories",
        sources=sources_of(rows),
        notes=notes if not other else (*notes, f"{other} closed results have another task or scenario"),
    )


def shares(connection: sa.Connection) -> Table:
    """Share of each model in the closed results of inference v0.5."""
    rows = closed_results(connection, "v0.5")
    total = len(rows)
    body: list[tuple[Cell, ...]] = []
    for task in ("ssd-large", "ssd-small", "gnmt", "mobilenet", "resnet"):
        n = sum(r.benchmark == task for r in rows)
        body.append((benchmark_title(task), n, 100 * n / total if total else None))
    return Table(
        id="shares",
        title="Inference v0.5: share of each model, closed division",
        columns=("model", "results", "share %"),
        rows=tuple(body),
        digits=(0, 0, 1),
        rule="results of the model divided by all closed results",
        sources=sources_of(rows),
    )


def frameworks(connection: sa.Connection) -> Table:
    """Which frameworks ran on which class of processor, closed and open together."""
    counts = grouped(connection, ("framework_label", "processor_class"), INFERENCE)
    body: list[tuple[Cell, ...]] = []
    body += [(name, *("X" if counts.get((name, kind)) else "" for kind in CLASSES)) for name in FRAMEWORKS]
    extra = sorted({label for label, _ in counts if label and label not in FRAMEWORKS})
    for name in extra:
        marks = ("X" if counts.get((name, kind)) else "" for kind in CLASSES)
        body.append((f"{name} (not in the published table)", *marks))
    rows = published_results(connection, INFERENCE)
    why = sorted({f"{r.submitter} {r.system}: {r.class_from}" for r in rows if r.class_from.startswith("override")})
    return Table(
        id="frameworks",
        title="Inference v0.5: frameworks and processor classes",
        columns=("framework", *CLASSES),
        rows=tuple(body),
        rule="X where at least one result exists, closed or open",
        sources=sources_of(rows),
        notes=tuple(why),
    )


def classes(connection: sa.Connection) -> Table:
    """Closed results of inference v0.5 per class of processor."""
    counts = grouped(connection, ("processor_class", "benchmark"), replace(INFERENCE, division=("closed",)))
    rows = closed_results(connection, "v0.5")
    body: list[tuple[Cell, ...]] = []
    for kind in CLASSES:
        cells = [counts.get((kind, task), 0) for task in TASKS]
        body.append((kind, *cells, sum(cells)))
    return Table(
        id="classes",
        title="Inference v0.5: results per processor class, closed division",
        columns=("class", *(benchmark_title(t) for t in TASKS), "all"),
        rows=tuple(body),
        rule="the class of the accelerator, CPU where there is none; overrides as in the table of frameworks",
        sources=sources_of(rows),
    )


def spread(connection: sa.Connection) -> Table:
    """How far apart the closed results of inference v0.5 lie, per task and scenario: slowest = 1."""
    rows = [r for r in closed_results(connection, "v0.5") if r.value]
    body: list[tuple[Cell, ...]] = []
    for task in TASKS:
        for scenario in SCENARIOS:
            group = sorted(_speed(r) for r in rows if (r.benchmark, r.scenario) == (task, scenario))
            if group:
                body.append((benchmark_title(task), scenario, len(group), group[-1] / group[0]))
    return Table(
        id="spread",
        title="Inference v0.5: spread of performance, closed division (slowest = 1)",
        columns=("task", "scenario", "results", "fastest"),
        rows=tuple(body),
        digits=(0, 0, 0, 4),
        rule="fastest divided by slowest; latency counts inversely; of several Server runs the slowest is the result",
        sources=sources_of(rows),
    )


def _speed(row: ResultView) -> float:
    """Bigger is faster, whatever the metric."""
    assert row.value
    return row.value if row.higher_is_better else 1 / row.value


def inference_scores(connection: sa.Connection) -> Table:
    """Every closed result of inference v0.5."""
    rows = closed_results(connection, "v0.5")
    body = tuple(
        (
            benchmark_title(r.benchmark),
            r.scenario,
            r.submitter,
            r.system,
            r.accelerator or "CPU",
            r.chips,
            r.value,
            r.unit,
            r.verdict,
        )
        for r in rows
    )
    return Table(
        id="inference-v0.5",
        title=f"Inference v0.5: {len(rows)} closed results",
        columns=("task", "scenario", "submitter", "system", "accelerator", "chips", "value", "unit", "verdict"),
        rows=body,
        digits=(0, 0, 0, 0, 0, 0, 4, 0, 0),
        rule="SingleStream: 90th-percentile latency; MultiStream: streams; Server: scheduled queries per second; "
        "Offline: samples per second",
        sources=sources_of(rows),
    )


def quotations(connection: sa.Connection) -> Table:
    """What publications say and the imported data do not give: quoted, with the nearest number that they do give."""
    rows = published_results(connection, INFERENCE)
    organisations = str(len({r.submitter for r in rows})) if rows else None
    fourteenth = "the repository holds the directories of so many organisations; the fourteenth is not in it"
    counted = "one results/<system>/<benchmark>/<scenario> directory counted once; the quotation's rule is not stated"
    absent = "the v0.5 Mask R-CNN logs are not in the archive; see the table of 16-chip entries"
    return Table(
        id="quotations",
        title="Quoted, not derived",
        columns=("statement", "quoted", "in the data", "reason"),
        rows=(
            ("organisations in inference v0.5", "14", organisations, fourteenth),
            ("results in inference v0.5", "600+", str(len(rows)) if rows else None, counted),
            ("speed-up at 16 chips, training v0.5 to v0.6", "1.3×", None, absent),
        ),
        sources=sources_of(rows),
    )
