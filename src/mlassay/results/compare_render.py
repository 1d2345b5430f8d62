"""A comparison as text, as Markdown for a pull request, and as JUnit XML for a CI server."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from mlassay.results.compare import Cell, Comparison, Measured
from mlassay.results.gate import GateVerdict


def text(comparison: Comparison) -> str:
    """For a terminal."""
    lines = [f"A: {comparison.a}", f"B: {comparison.b}"]
    for cell in comparison.cells:
        lines += ["", cell.name, f"  A  {cell.a}{_from(cell.keys_a)}", f"  B  {cell.b}{_from(cell.keys_b)}"]
        lines += [f"  {_line(m)}" for m in cell.measured]
        lines += [f"  {_allowed(cell)}"]
        lines += [f"  caution: {c}" for c in cell.ruling.cautions]
        if cell.differs:
            lines.append("  differs: " + "; ".join(f"{d.what} {d.a} → {d.b}" for d in cell.differs))
        if cell.note:
            lines.append(f"  note: {cell.note}")
    for side, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            lines += ["", f"only in {side}: {', '.join(names)}"]
    if comparison.gate:
        lines += ["", *(f"{g.verdict.upper()}  {g.cell}: {g.sentence}" for g in comparison.gate)]
    return "\n".join(lines)


def _from(keys: tuple[str, ...]) -> str:
    """Where a side's numbers were read, shortly."""
    return f"  from {keys[0]}" if len(keys) == 1 else f"  from {keys[0]} and {len(keys) - 1} more"


def _line(m: Measured) -> str:
    interval = "" if m.low is None or m.high is None else f" [{m.low:.4g} to {m.high:.4g}]"
    word = {True: "better", False: "worse", None: ""}[m.better]
    if m.sure is False:
        word = "no difference that noise cannot explain"
    unit = f" {m.unit}" if m.unit else ""
    return f"{m.metric:<8} {figure(m.a)} → {figure(m.b)}{unit}  ×{m.ratio:.4g}{interval}  {word}  ({m.method})"


def figure(value: float) -> str:
    """Four significant figures, with thousands marks."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _allowed(cell: Cell) -> str:
    word = {True: "comparable", False: "NOT comparable", None: "no rule speaks"}[cell.ruling.allowed]
    return f"{word}: {'; '.join(cell.ruling.reasons)}"


def markdown(comparison: Comparison) -> str:
    """For a pull request or a job summary."""
    out = [f"## Comparison: `{_plain(comparison.a)}` → `{_plain(comparison.b)}`", ""]
    for gated in comparison.gate:
        mark = {GateVerdict.PASS: "✅", GateVerdict.FAIL: "❌", GateVerdict.UNSURE: "⚠️"}[gated.verdict]
        out.append(f"- {mark} **{_escape(gated.cell)}**: {_escape(gated.sentence)}")
    out += ["", "| task | metric | A | B | B / A | interval | method |", "|---|---|---:|---:|---:|---|---|"]
    for cell in comparison.cells:
        for m in cell.measured:
            interval = "–" if m.low is None or m.high is None else f"{m.low:.4g} to {m.high:.4g}"
            row = (
                cell.name,
                m.metric,
                f"{m.a:,.4g} {m.unit}",
                f"{m.b:,.4g} {m.unit}",
                f"{m.ratio:.4g}",
                interval,
                m.method,
            )
            out.append("| " + " | ".join(_escape(x.strip()) for x in row) + " |")
    out.append("")
    for cell in comparison.cells:
        out.append(f"**{_escape(cell.name)}**: {_escape(_allowed(cell))}  ")
        out += [f"caution: {_escape(c)}  " for c in cell.ruling.cautions]
        if cell.differs:
            out.append("differs: " + _escape("; ".join(f"{d.what} {d.a} → {d.b}" for d in cell.differs)) + "  ")
    return "\n".join(out).rstrip() + "\n"


def _escape(text: str) -> str:
    for c in "\\|`*_<>[]":
        text = text.replace(c, f"\\{c}")
    return text.replace("\n", " ")


def _plain(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")


def junit(comparison: Comparison) -> str:
    """One test case per condition and cell; unsure ones are skipped with their reason."""
    failures = sum(g.verdict is GateVerdict.FAIL for g in comparison.gate)
    skipped = sum(g.verdict is GateVerdict.UNSURE for g in comparison.gate)
    counts = {"tests": str(len(comparison.gate)), "failures": str(failures), "skipped": str(skipped), "errors": "0"}
    suite = Xml.Element("testsuite", {"name": "mlassay compare", **counts})
    for gated in comparison.gate:
        case = Xml.SubElement(suite, "testcase", {"classname": _xml(gated.cell), "name": _xml(gated.condition.text)})
        if gated.verdict is GateVerdict.FAIL:
            Xml.SubElement(case, "failure", {"message": _xml(gated.sentence)})
        elif gated.verdict is GateVerdict.UNSURE:
            Xml.SubElement(case, "skipped", {"message": _xml(gated.sentence)})
        else:
            Xml.SubElement(case, "system-out").text = _xml(gated.sentence)
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """XML 1.0 knows no control characters."""
    return "".join(c for c in text if c.isprintable() or c == " ")
