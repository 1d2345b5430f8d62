"""`mlassay system`: describe the system under test."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.core.units import counted

EXAMPLES = """\b
Examples:
  mlassay system capture --round v5.1 --out box.json    what this machine tells about itself
  mlassay system edit box.json --round v5.1             asks for what is open
  mlassay system edit box.json --set status=available --set system_type=edge --round v5.1
  mlassay system validate box.json --round v5.1
"""

round_option = click.option("--round", "round_", required=True, help="Round whose fields are wanted, such as v5.1.")


@click.group(epilog=EXAMPLES)
def system() -> None:
    """Describe the system under test in the fields of a round."""


@system.command()
@round_option
@click.option("--out", type=click.Path(path_type=Path), help="File to write: <system>.json. Default: print it.")
@json_option
def capture(round_: str, out: Path | None, as_json: bool) -> int:
    """Fill in what this machine tells, without root, and name what it does not tell."""
    from mlassay.core.errors import UsageError
    from mlassay.rules.reader import load_round
    from mlassay.submission.capture import capture as look
    from mlassay.submission.describe import write_description

    found = look(load_round(round_))
    if out is not None:
        if out.exists():
            raise UsageError(f"{out} exists", hint="give another --out, or mlassay system edit it")
        write_description(out, found.fields)
    if as_json or out is None:
        emit_json({"fields": found.fields, "unseen": found.unseen} if as_json else found.fields)
    say = click.echo if out is not None and not as_json else _to_stderr
    if out is not None:
        say(f"{out}: {len(found.fields) - len(found.unseen)} of {len(found.fields)} fields filled")
    for name, why in found.unseen.items():
        say(f"  open: {name} ({why})")
    if out is not None:
        say(f"next: mlassay system edit {out} --round {round_}")
    return 0


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)


@system.command()
@click.argument("path", type=click.Path(path_type=Path))
@round_option
@click.option("--set", "sets", multiple=True, metavar="FIELD=VALUE", help="Set a field; may be repeated.")
def edit(path: Path, round_: str, sets: tuple[str, ...]) -> int:
    """Fill in open fields: by --set, else by asking for each. Enter leaves one open."""
    from mlassay.rules.reader import load_round
    from mlassay.submission.describe import changed, open_fields, read_description, write_description

    rules = load_round(round_)
    fields = read_description(path)
    changes = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not FIELD=VALUE", param_hint="--set")
        changes[name] = value
    if not sets:
        changes = _ask(open_fields(fields, rules))
    fields = changed(fields, changes, rules)
    write_description(path, fields)
    left = open_fields(fields, rules)
    click.echo(
        f"{path}: {len(changes)} set, {len(left)} open" + (f": {', '.join(f.name for f in left)}" if left else "")
    )
    return 0


def _ask(fields: list) -> dict[str, str]:  # type: ignore[type-arg]
    from mlassay.core.errors import UsageError
    from mlassay.submission.describe import check_value

    answers = {}
    for field in fields:
        choices = f" [{', '.join(field.choices)}]" if field.choices else ""
        click.echo(f"{field.meaning}{choices}")
        while True:
            answer = click.prompt(field.name, default="", show_default=False).strip()
            try:
                if answer:
                    check_value(field, answer)
                    answers[field.name] = answer
                break
            except UsageError as error:
                click.echo(f"  {error.message}; {error.hint}")
    return answers


@system.command()
@click.argument("path", type=click.Path(path_type=Path))
@round_option
@json_option
def validate(path: Path, round_: str, as_json: bool) -> int:
    """Hold a description against a round's rules. Exit code 1 when it would be rejected."""
    from mlassay.submission.describe import validate as look

    findings = look(path, round_)
    bad = [f for f in findings if f.rejects]
    if as_json:
        emit_json({"verdict": "fail" if bad else "pass", "round": round_, "findings": findings})
        return 1 if bad else 0
    for f in findings:
        click.echo(
            f"{f.severity.value:7} {f.id} found {f.found}; expected {f.expected}" + (f"; {f.hint}" if f.hint else "")
        )
    click.echo(f"{'FAIL' if bad else 'PASS'}: {path} for {round_}, {counted(len(bad), 'error')}")
    return 1 if bad else 0


@system.command("fields")
@round_option
@json_option
def list_fields(round_: str, as_json: bool) -> int:
    """List the fields that a round requires, with their meanings."""
    from mlassay.rules.reader import load_round
    from mlassay.submission.schema import system_schema

    schema = system_schema(load_round(round_))
    if as_json:
        emit_json(list(schema.required.values()))
        return 0
    for name, field in schema.required.items():
        mark = "*" if name in schema.filled else " "
        click.echo(f"{mark} {name:36} {field.meaning}")
    click.echo("* may not be empty")
    return 0
