"""A report in every form that somebody reads: people, programs, code hosts, build servers, spreadsheets, browsers."""

from __future__ import annotations

import csv
import html
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from mlassay.submission.check import CHECKS, Check, Finding, Severity
from mlassay.submission.report import Report, Result

SHOWN_PER_CHECK = 12


def as_document(report: Report) -> dict[str, Any]:
    """The report as one JSON document (suite, round, verdict, results, findings)."""
    return {
        "suite": report.suite,
        "round": report.round,
        "verdict": report.verdict,
        "as_official": report.as_official or None,
        "path": report.path,
        "counts": {
            "results": len(report.results),
            "files": report.n_files,
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "notes": report.count(Severity.NOTE),
            "waived": report.n_waived,
        },
        "results": [_result(r) for r in report.results],
        "findings": [_finding(f) for f in report.findings],
    }


def _result(r: Result) -> dict[str, Any]:
    return {
        "division": r.division,
        "submitter": r.submitter,
        "system": r.system,
        "benchmark": r.benchmark,
        "scenario": r.scenario,
        "metric": r.metric,
        "value": r.value,
        "unit": r.unit,
        "accuracy": dict(r.accuracy),
        "valid": r.valid,
        "inferred": r.inferred,
        "power": {"value": r.power, "unit": r.power_unit} if r.power is not None else None,
        "accepted": r.accepted,
        "model": r.model,
        "path": r.path,
    }


def _finding(f: Finding) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": f.id,
        "severity": f.severity.value,
        "where": f.where,
        "found": f.found,
        "expected": f.expected,
        "clause": f.clause,
        "hint": f.hint,
    }
    if f.waived:
        data["waived"] = f.waived
    return data


def as_json(report: Report) -> str:
    return json.dumps(as_document(report), indent=2, ensure_ascii=False, default=str) + "\n"


def as_text(report: Report) -> str:
    """Findings grouped by check, errors first, then what it comes to."""
    lines = []
    for check_id, found in _grouped(report):
        title = CHECKS[check_id].title if check_id in CHECKS else ""
        lines.append(f"{_worst(found).value:7} {check_id}  {title} ({len(found)})".rstrip())
        for f in found[:SHOWN_PER_CHECK]:
            lines.append(f"    {f.where or '.'}")
            lines.append(f"        found    {f.found}")
            lines.append(f"        expected {f.expected}")
            if f.waived:
                lines.append(f"        waived   {f.waived}")
        if len(found) > SHOWN_PER_CHECK:
            lines.append(f"    ... and {len(found) - SHOWN_PER_CHECK} more (--json lists all)")
        lines += [f"    next: {hint}" for hint in dict.fromkeys(f.hint for f in found[:1] if f.hint)]
        lines += [f"    rule: {clause}" for clause in dict.fromkeys(f.clause for f in found[:1] if f.clause)]
        lines.append("")
    return "\n".join([*lines, _summary(report)]) + "\n"


def _summary(report: Report) -> str:
    rejected = sum(1 for r in report.results if not r.accepted)
    counts = ", ".join(
        f"{report.count(s)} {s.value}{'s' if report.count(s) != 1 else ''}" for s in (Severity.ERROR, Severity.WARNING)
    )
    waived = f", {report.n_waived} waived" if report.n_waived else ""
    official = f" as the official tool of {report.as_official} would" if report.as_official else ""
    results = f"{len(report.results)} result{'s' if len(report.results) != 1 else ''}"
    return (
        f"{report.verdict.upper()}{official}: {report.suite} {report.round or 'of an unknown round'}, {results} "
        f"({rejected} rejected), {counts}{waived}; {report.n_files:,} files in {report.seconds:.1f} s"
    )


def _grouped(report: Report) -> Iterator[tuple[str, list[Finding]]]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for f in report.findings:
        groups[f.id].append(f)
    order = list(Severity)
    yield from sorted(groups.items(), key=lambda item: (order.index(_worst(item[1])), item[0]))


def _worst(found: list[Finding]) -> Severity:
    order = list(Severity)
    return min((f.severity for f in found), key=order.index)


# SARIF 2.1.0: code hosts show it beside the files


_SARIF_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def as_sarif(report: Report) -> str:
    ids = sorted({f.id for f in report.findings})
    driver = {
        "name": "mlassay",
        "informationUri": "https://github.com/mlassay/mlassay",
        "rules": [_sarif_rule(i, CHECKS.get(i)) for i in ids],
    }
    results = [_sarif_result(f, ids.index(f.id)) for f in report.findings]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sarif_rule(id: str, known: Check | None) -> dict[str, Any]:
    title = known.title if known else id
    rule: dict[str, Any] = {"id": id, "shortDescription": {"text": title}}
    if known:
        rule["fullDescription"] = {"text": known.reason}
        rule["defaultConfiguration"] = {"level": _SARIF_LEVEL[known.severity]}
    return rule


def _sarif_result(f: Finding, index: int) -> dict[str, Any]:
    text = f"found {f.found}; expected {f.expected}" + (f". {f.hint}" if f.hint else "")
    location = {"physicalLocation": {"artifactLocation": {"uri": _uri(f.where)}}}
    data: dict[str, Any] = {
        "ruleId": f.id,
        "ruleIndex": index,
        "level": _SARIF_LEVEL[f.severity],
        "message": {"text": text},
        "locations": [location],
    }
    if f.waived:
        data["suppressions"] = [{"kind": "external", "justification": f.waived}]
    return data


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path or ".")


# JUnit: build servers show each result as a test


def as_junit(report: Report) -> str:
    cases: dict[str, dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for r in report.results:
        cases[f"{r.division}/{r.submitter}"][r.path] = []
    for f in report.findings:
        suite = f.submitter or "tree"
        owner = next((p for p in cases[suite] if p and (f.where == p or f.where.startswith(f"{p}/"))), "")
        cases[suite][owner or f.where or suite].append(f)
    out = io.StringIO()
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    failures = sum(1 for f in report.findings if f.rejects)
    tests = sum(len(c) for c in cases.values())
    out.write(f'<testsuites name="mlassay check" tests="{tests}" failures="{failures}">\n')
    for suite, paths in cases.items():
        bad = sum(1 for found in paths.values() for f in found if f.rejects)
        out.write(f'  <testsuite name={_attr(suite)} tests="{len(paths)}" failures="{bad}">\n')
        for path, found in paths.items():
            out.write(f"    <testcase classname={_attr(suite)} name={_attr(path)}>\n")
            for f in found:
                tag = "failure" if f.rejects else "system-out"
                text = _xml(f"{f.id}: found {f.found}; expected {f.expected}")
                head = (
                    f"<failure message={_attr(f.id + ': ' + f.found)} type={_attr(f.id)}>" if f.rejects else f"<{tag}>"
                )
                out.write(f"      {head}{text}</{tag}>\n")
            out.write("    </testcase>\n")
        out.write("  </testsuite>\n")
    out.write("</testsuites>\n")
    return out.getvalue()


def _xml(text: str) -> str:
    return escape("".join(c if c >= " " and c not in "\ufffe\uffff" else "?" for c in text))


def _attr(text: str) -> str:
    return quoteattr("".join(c if c >= " " and c not in "\ufffe\uffff" else "?" for c in text))


# CSV: the columns of the official summary.csv, for tools that read it


CSV_COLUMNS = (
    "Organization",
    "Availability",
    "Division",
    "SystemType",
    "SystemName",
    "Platform",
    "Model",
    "MlperfModel",
    "Scenario",
    "Result",
    "Accuracy",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "accelerator_model_name",
    "accelerators_per_node",
    "Location",
    "framework",
    "operating_system",
    "notes",
    "compliance",
    "errors",
    "version",
    "inferred",
    "has_power",
    "Units",
    "weight_data_types",
)


def as_csv(report: Report) -> str:
    """One row per accepted result, a second one for its power, correctly quoted."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for r in report.results:
        if r.accepted and r.value is not None:
            writer.writerow(_csv_row(r, r.value, r.unit))
            if r.power is not None:
                writer.writerow(_csv_row(r, r.power, r.power_unit))
    return out.getvalue()


def _csv_row(r: Result, value: float, unit: str) -> dict[str, Any]:
    system = r.system_description
    row: dict[str, Any] = {name: _cell(system.get(name, "")) for name in CSV_COLUMNS}
    row |= {
        "Organization": r.submitter,
        "Availability": r.availability,
        "Division": r.division,
        "SystemType": r.system_type,
        "SystemName": _cell(system.get("system_name", "")),
        "Platform": r.system,
        "Model": r.model,
        "MlperfModel": r.benchmark,
        "Scenario": r.scenario,
        "Result": value,
        "Accuracy": "; ".join(f"{name}: {number}" for name, number in r.accuracy.items()),
        "Location": r.path,
        "notes": _cell(system.get("hw_notes", "")),
        "compliance": "",
        "errors": 0,
        "version": r.round,
        "inferred": int(r.inferred),
        "has_power": r.power is not None,
        "Units": unit,
        "weight_data_types": _cell(r.measurements.get("weight_data_types", "")),
    }
    return row


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) and not _number_like(text) else text


def _number_like(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# HTML: one page that stands alone


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top;overflow-wrap:anywhere}
.error{color:#b3261e}.warning{color:#8a5a00}.note{color:#44546a}.waived{opacity:.6}
.num{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em}
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e6e6}td,th{border-color:#3a4046}
.error{color:#ff8a80}.warning{color:#ffcf70}.note{color:#a9b8cc}}
"""


def as_html(report: Report) -> str:
    e = html.escape
    rows = "".join(
        f"<tr><td>{e(r.division)}</td><td>{e(r.submitter)}</td><td>{e(r.system)}</td><td>{e(r.benchmark)}</td>"
        f"<td>{e(r.scenario)}</td><td class=num>{'' if r.value is None else f'{r.value:,.6g}'}</td><td>{e(r.unit)}</td>"
        f"<td>{'accepted' if r.accepted else '<span class=error>rejected</span>'}</td></tr>"
        for r in report.results
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{e(report.verdict)}: {e(report.path)}</title><style>{_STYLE}</style>",
        f"<h1>{e(report.path)}</h1><p>{e(_summary(report))}</p><h2>Findings</h2>",
    ]
    for check_id, found in _grouped(report):
        title = CHECKS[check_id].title if check_id in CHECKS else ""
        level = _worst(found).value
        parts.append(f"<h3 class={level}>{e(check_id)} {e(title)} ({len(found)})</h3>")
        parts.append("<table><tr><th>where<th>found<th>expected<th>next</tr>")
        parts += [
            f"<tr class='{'waived' if f.waived else ''}'><td><code>{e(f.where or '.')}</code></td><td>{e(f.found)}</td>"
            f"<td>{e(f.expected)}</td><td>{e('waived: ' + f.waived if f.waived else f.hint)}</td></tr>"
            for f in found
        ]
        parts.append("</table>")
    if not report.findings:
        parts.append("<p>None.</p>")
    parts.append("<h2>Results</h2><table><tr><th>division<th>submitter<th>system<th>benchmark<th>scenario")
    parts.append(f"<th>value<th>unit<th>verdict</tr>{rows}</table></html>\n")
    return "".join(parts)


RENDERERS: Mapping[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
    "csv": as_csv,
    "html": as_html,
}
