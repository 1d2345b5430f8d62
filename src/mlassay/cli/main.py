"""The `mlassay` command: finds the verb, loads only that verb's module, turns errors into exit codes."""

from __future__ import annotations

import difflib
import importlib
import sys
from typing import NoReturn

import click

from mlassay._version import __version__
from mlassay.cli.output import explain

EXIT_CODES = """\
Exit codes: 0 valid or done · 1 invalid result or findings · 2 usage or unreadable input · 3 environment (missing
library, disk, device) · 4 the system under test failed · 130 interrupted."""

COMMANDS: dict[str, tuple[str, str]] = {
    # verb: (module:object, one line for the overview)
    "quickstart": ("mlassay.cli.quickstart:command", "a first real result on packed photographs, in two minutes"),
    "run": ("mlassay.cli.run:command", "one inference run: a task, a scenario, a backend, a verdict"),
    "data": ("mlassay.cli.data:data", "is a task's data set whole; prepare it once for many runs"),
    "show": ("mlassay.cli.show:command", "a run's result again, with plots"),
    "list": ("mlassay.cli.listing:command", "tasks, backends, rounds, scenarios"),
    "accuracy": ("mlassay.cli.accuracy:accuracy", "score the answers of a run again, against the round's target"),
    "export": ("mlassay.cli.export:command", "a task's model in another runtime's format, checked"),
    "quantize": ("mlassay.cli.quantize:command", "a task's model in int8, with the method written down"),
    "new-backend": ("mlassay.cli.new_backend:command", "a package of your own for a runtime or an accelerator"),
    "rules": ("mlassay.cli.rules:rules", "what each round asks for, with sources; what changed; what may be compared"),
    "train": ("mlassay.cli.train:train", "train a benchmark to its quality target, timed and logged"),
    "score": ("mlassay.cli.score:score", "minutes to target from training logs, ours or published"),
    "check": ("mlassay.cli.check:check", "is a submission, a result or a log valid, and if not, why"),
    "audit": ("mlassay.cli.audit:audit", "the round's compliance tests on the system that made a run"),
    "pack": ("mlassay.cli.pack:pack", "run folders to a submission that passes"),
    "replay": ("mlassay.cli.replay:replay", "run a submission again from its own folder, and compare"),
    "system": ("mlassay.cli.system:system", "describe the system under test: capture, edit, validate"),
    "db": ("mlassay.cli.db:db", "the results database: import, list, query, export"),
    "serve": ("mlassay.cli.serve:command", "the dashboard: the database in your browser"),
    "report": ("mlassay.cli.report:report", "tables and figures of the published history"),
    "compare": ("mlassay.cli.compare:compare", "two results, systems, rounds or sets of runs; a gate for CI"),
    "rank": ("mlassay.cli.rank:rank", "who is fastest at a task: per chip, per watt, per currency unit"),
    "cite": ("mlassay.cli.cite:cite", "the citable sentence of a result, with its footnote"),
}
"""Every verb. Its module is imported only when the verb is used or its own help is asked for."""


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, 3, 0.5)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlassay")
def cli() -> None:
    """Measure how fast a machine-learning system really is, at a stated quality, by rules anyone can repeat.

    mlassay implements the public MLPerf rules and formats; it is not affiliated with MLCommons, and its results are
    unverified.
    """


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line; every deliberate error becomes one clear message and its documented exit code."""
    try:
        result = cli.main(argv, standalone_mode=False)
    except click.exceptions.Abort:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last resort: a message and a code, never a traceback
        sys.exit(explain(error))
    sys.exit(result if isinstance(result, int) else 0)
