"""Writes docs/reference/cli.md from the commands themselves: every verb, its options, its examples.

Run it after changing a command. `--check` says whether the page is up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mlassay.cli.main import COMMANDS, EXIT_CODES, cli

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"

HEAD = """\
# Command line

Every verb of the `mlassay` command, written from the commands themselves. In a terminal, `mlassay VERB --help` says the
same. All verbs take `--json`: then standard output holds one JSON document and nothing else. What the codes mean:
[Exit codes](exit-codes.md).

"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, "".join(f"* [`mlassay {verb}`](#mlassay-{verb}): {told}\n" for verb, (_, told) in COMMANDS.items())]
    context = click.Context(cli, info_name="mlassay")
    for verb in COMMANDS:
        command = cli.get_command(context, verb)
        if command is not None:
            parts += section(command, click.Context(command, info_name=verb, parent=context), level=2)
    parts.append(f"\n## Codes\n\n{EXIT_CODES}\n")
    return re.sub(r"\n{3,}", "\n\n", "".join(parts))


def section(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    """One verb: what it does, how it is called, its options, its examples, its own verbs."""
    name = context.command_path
    yield f"\n{'#' * level} {name}\n\n{plain(command.help or '')}\n\n"
    yield f"```text\n{' '.join([name, *command.collect_usage_pieces(context)])}\n```\n\n"
    rows = list(options(command, context))
    if rows:
        yield "| option | meaning |\n|---|---|\n" + "".join(rows) + "\n"
    children = command.commands if isinstance(command, click.Group) else {}
    inherited = context.parent is not None and command.epilog == context.parent.command.epilog
    if command.epilog and not inherited:
        yield examples(command.epilog)
    for verb, child in children.items():
        yield from section(child, click.Context(child, info_name=verb, parent=context), level + 1)


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """A table row for each option."""
    for parameter in command.get_params(context):
        if not isinstance(parameter, click.Option) or parameter.hidden or "--help" in parameter.opts:
            continue
        record = parameter.get_help_record(context)
        if record is not None:
            names, told = (re.sub(r"\s+", " ", text).replace("|", "\\|") for text in record)
            yield f"| `{names}` | {told.strip()} |\n"


def examples(epilog: str) -> str:
    text = epilog.replace("\b\n", "").removeprefix("Examples:").strip("\n")
    lines = [line.strip() for line in text.split(" · ")] if "\n" not in text else text.splitlines()
    return "```text\n" + "\n".join(line.removeprefix("  ") for line in lines) + "\n```\n"


def plain(text: str) -> str:
    """Help text without click's marks, wrapped as it was."""
    return "\n".join(line.strip() for line in text.replace("\b\n", "").strip().splitlines())


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
