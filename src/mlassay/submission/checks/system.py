"""SYS: systems/<system>.json, the description of what was measured."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from mlassay.core.enums import Division
from mlassay.submission.check import Found, Scope, Severity, check
from mlassay.submission.model import Submitter, SystemFile
from mlassay.submission.schema import at_least, system_schema
from mlassay.submission.tree import NotReadable

CLAUSE = "Submission rules, system description"


@check(
    "SYS001",
    Scope.SUBMITTER,
    "system description missing",
    example="found no systems/T4x8.json",
    official="system_json",
    clause=CLAUSE,
)
def described(submitter: Submitter) -> Iterator[Found]:
    """Each system with results is described by a file of the same name; a number without its machine says nothing."""
    for name in dict.fromkeys(r.place.system for r in submitter.results):
        if submitter.system(name) is None:
            near = difflib.get_close_matches(name, list(submitter.systems), 1, 0.5)
            yield Found(
                submitter.path(f"systems/{name}.json"),
                "absent",
                "a description of each system that has results",
                hint=f"is {near[0]}.json meant?" if near else "mlassay system capture writes one",
            )


@check(
    "SYS002",
    Scope.SYSTEM,
    "system description is not a JSON object",
    example="found not JSON (Expecting ',' delimiter: line 3 column 5)",
    official="system_json",
    clause=CLAUSE,
)
def readable(system: SystemFile) -> Iterator[Found]:
    """Without a readable description none of its fields can be held against the rules. The official tools crash here,
    and then nobody in the tree is checked."""
    if not system.json.ok:
        yield Found(system.path, system.json.problem, "a JSON object", hint="mlassay system validate shows where")


@check(
    "SYS003",
    Scope.SYSTEM,
    "required field missing",
    example="found no host_memory_capacity",
    official="system_fields",
    clause=CLAUSE,
)
def fields_present(system: SystemFile) -> Iterator[Found]:
    """Each round has its list of fields; a field that does not apply is given as N/A or 0."""
    if not system.json.ok:
        return
    for name, field in system_schema(system.submitter.round).required.items():
        if name not in system.data:
            yield Found(system.path, f"no {name}", field.meaning or "the field", hint="mlassay system edit fills it in")


@check(
    "SYS004",
    Scope.SYSTEM,
    "required field empty",
    example="found an empty cooling",
    official="system_fields_filled",
    clause=CLAUSE,
    open_severity=Severity.WARNING,
)
def fields_filled(system: SystemFile) -> Iterator[Found]:
    """Since v3.1 most fields must say something; in earlier rounds an empty one is worth a warning only."""
    if not system.json.ok:
        return
    schema = system_schema(system.submitter.round)
    severity = None if schema.filled else Severity.WARNING
    for name in schema.required:
        if name in schema.meaningful and name in system.data and _empty(system.data[name]):
            what = schema.required[name].meaning or "a value"
            yield Found(system.path, f"an empty {name}", what, hint="write N/A if it does not apply", severity=severity)


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


@check(
    "SYS005",
    Scope.SYSTEM,
    "unknown field",
    severity=Severity.WARNING,
    example="found host_procesor_model_name; did you mean host_processor_model_name?",
    official="system_unknown_field",
    clause=CLAUSE,
)
def fields_known(system: SystemFile) -> Iterator[Found]:
    """A field that no round knows is usually a misspelt one. The v0.5 tool rejected it, later ones warn."""
    if not system.json.ok:
        return
    known = system_schema(system.submitter.round).known
    for name in system.data:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.8)
            yield Found(
                system.path,
                f"the field {name!r}",
                "fields that the rules name",
                hint=f"did you mean {near[0]}?" if near else "put it into hw_notes or sw_notes",
            )


@check(
    "SYS006",
    Scope.SYSTEM,
    "availability is none of the allowed words",
    example="found status 'avaliable'; expected available, preview or rdi",
    official="system_values",
    clause="Submission rules, availability categories",
)
def status(system: SystemFile) -> Iterator[Found]:
    """`status` decides the table in which a result is published."""
    allowed = system.submitter.round.availability
    said = system.json.text("status")
    if system.json.ok and "status" in system.data and said and said.lower() not in allowed:
        yield Found(system.path, f"status {said!r}", ", ".join(allowed))


@check(
    "SYS007",
    Scope.SYSTEM,
    "system type is none of the allowed words",
    since="v0.7",
    example="found system_type 'datacenter, edge'; expected 'datacenter,edge'",
    official="system_values",
    clause="Inference rules, suites",
)
def system_type(system: SystemFile) -> Iterator[Found]:
    """`system_type` decides which scenarios are required. The spellings are exact: both suites without a space."""
    allowed = system.submitter.round.system_types
    said = system.data.get("system_type")
    if not system.json.ok or not allowed or said in allowed or ("system_type" in system.data and _empty(said)):
        return
    if "system_type" not in system.data and "system_type" in system.submitter.round.system_fields.required:
        return  # SYS003 says it
    yield Found(system.path, f"system_type {said!r}", ", ".join(repr(a) for a in allowed))


@check(
    "SYS008",
    Scope.SYSTEM,
    "submitter differs from the directory",
    example="found submitter 'DELL EMC' below DellEMC",
    official="system_values",
    clause=CLAUSE,
)
def submitter_name(system: SystemFile) -> Iterator[Found]:
    """The name in the file and the name of the directory are one name. v0.5 compared case as well; separators are
    forgiven here with a warning."""
    said = system.json.text("submitter")
    name = system.submitter.name
    if not system.json.ok or not said or not name or said.lower() == name.lower():
        return
    same = re.sub(r"\W|_", "", said.lower()) == re.sub(r"\W|_", "", name.lower())
    yield Found(
        system.path, f"submitter {said!r}", f"{name!r}, as the directory", severity=Severity.WARNING if same else None
    )


@check(
    "SYS009",
    Scope.SYSTEM,
    "division differs from the directory",
    example="found division 'open' below closed",
    official="system_values",
    clause=CLAUSE,
)
def division(system: SystemFile) -> Iterator[Found]:
    """A result is published in the division where it lies; a file that says otherwise was copied."""
    said, here = system.json.text("division"), system.submitter.division
    known = list(Division)
    if system.json.ok and said and here and (said.lower() != here or said.lower() not in known):
        yield Found(system.path, f"division {said!r}", repr(here) if here in known else " or ".join(known))


COUNTS = ("number_of_nodes", "host_processors_per_node", "host_processor_core_count", "accelerators_per_node")


@check(
    "SYS010",
    Scope.SYSTEM,
    "count is not a whole number",
    example="found accelerators_per_node 'eight'",
    official="system_counts",
    clause=CLAUSE,
)
def counts(system: SystemFile) -> Iterator[Found]:
    """Results are published per chip and per node, so the counts must be numbers. The v6 tools crash on others."""
    if not system.json.ok:
        return
    for name in COUNTS:
        value = system.data.get(name)
        if value is None or _empty(value) or isinstance(value, list | dict):
            continue
        text = str(value).strip()
        if re.fullmatch(r"\d{1,7}", text) and not (name == "number_of_nodes" and int(text) == 0):
            continue
        loose = re.match(r"\d{1,7}(?:\D|$)", text) or text.lower().rstrip(".") in ("n/a", "na", "-", "none")
        severity = Severity.WARNING if loose and name != "number_of_nodes" else None
        yield Found(system.path, f"{name} {text!r}", "a whole number", severity=severity)


@check(
    "SYS011",
    Scope.SYSTEM,
    "field of the wrong type",
    example="found framework as a list",
    official="system_values",
    clause=CLAUSE,
)
def types(system: SystemFile) -> Iterator[Found]:
    """Values are text or numbers; lists and objects crash the official tools and cannot be shown in a table."""
    if not system.json.ok:
        return
    for name, value in system.data.items():
        if isinstance(value, list | dict):
            kind = "a list" if isinstance(value, list) else "an object"
            yield Found(system.path, f"{name} as {kind}", "text or a number")


@check(
    "SYS012",
    Scope.SYSTEM,
    "key written twice",
    severity=Severity.WARNING,
    example="found cooling twice",
    clause=CLAUSE,
)
def duplicates(system: SystemFile) -> Iterator[Found]:
    """Of two equal keys a JSON reader keeps one, and readers disagree which."""
    for name in system.json.duplicates:
        yield Found(system.path, f"{name} twice", "each key once")


@check(
    "SYS013",
    Scope.SUBMITTER,
    "system description under another name",
    severity=Severity.WARNING,
    example="found ICL-i31005G1.json for results/ICL-I3-1005G1",
    official="system_json",
    clause=CLAUSE,
)
def same_spelling(submitter: Submitter) -> Iterator[Found]:
    """The file's name equals the directory's name to the letter. The official tools find no description otherwise;
    here a near name is used and reported."""
    for name in dict.fromkeys(r.place.system for r in submitter.results):
        system = submitter.system(name)
        if system is not None and system.name != name:
            yield Found(system.path, f"{system.name}.json for results/{name}", f"{name}.json", hint="rename the file")


@check(
    "SYS014",
    Scope.SUBMITTER,
    "two systems with one name",
    severity=Severity.NOTE,
    example="found system_name '8xT4' in T4x8.json and T4x8_1.json",
    clause=CLAUSE,
)
def names_differ(submitter: Submitter) -> Iterator[Found]:
    """Two files that describe different systems under one `system_name` cannot be told apart in a published table."""
    seen: dict[str, SystemFile] = {}
    for system in submitter.systems.values():
        name = system.json.text("system_name")
        if not name:
            continue
        if name in seen and dict(system.data) != dict(seen[name].data):
            yield Found(system.path, f"system_name {name!r}, also in {seen[name].path}", "a name of its own")
        seen.setdefault(name, system)


@check(
    "SYS015",
    Scope.SYSTEM,
    "nameplate power file cannot be read",
    since="v6.0",
    example="found no line with PowerCapacityWatts",
    official="nameplate",
    clause="Submission rules v6.0, system power",
)
def nameplate(system: SystemFile) -> Iterator[Found]:
    """systems/<system>_power.yaml lists power supplies; the sum of the largest needed ones is the design power."""
    path = system.path.removesuffix(".json") + "_power.yaml"
    if not at_least(system.submitter.round.name, "v6.0") or not system.submitter.tree.is_file(path):
        return
    try:
        text = system.submitter.tree.read(path, 1 << 20).decode("utf-8", "replace")
    except NotReadable as error:
        yield Found(path, error.reason, "a list of power supplies")
        return
    if not re.search(r"PowerCapacityWatts['\"]?\s*:\s*['\"]?\d+(\.\d+)?", text):
        yield Found(path, "no line with PowerCapacityWatts and a number", "PSUs: [{PowerCapacityWatts: 3000}, ...]")
