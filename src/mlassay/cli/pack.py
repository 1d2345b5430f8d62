"""`mlassay pack`: run folders to a submission that passes."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay pack runs/* --round v5.1 --division open --submitter ACME --system box.json --plan
  mlassay pack runs/* --round v5.1 --division open --submitter ACME --system box.json --model my-net \\
      -m weight_data_types=int8 -m weight_transformations=quantisation -m retraining=no --out my-submission
"""


@click.command(epilog=EXAMPLES)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--round", "round_", required=True, help="Round that the runs were made for.")
@click.option("--division", type=click.Choice(["closed", "open", "network"]), required=True)
@click.option("--submitter", required=True, help="Your organisation, as a directory's name.")
@click.option("--system", type=click.Path(path_type=Path), required=True, help="System description: <system>.json.")
@click.option("--model", default="", help="Open division: your model's own name.")
@click.option("--implementation", default="mlassay", show_default=True, help="Name of the code, in file names.")
@click.option("-m", "--measurement", multiple=True, metavar="KEY=VALUE", help="A field of the measurements file.")
@click.option("--code", type=click.Path(path_type=Path), help="Directory of your code, copied.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Note on calibration and quantisation.")
@click.option("--infer/--no-infer", default=True, help="Edge: infer scenarios that the rules allow to infer.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory, or file ending in .tar.gz.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
def pack(
    runs: tuple[Path, ...],
    round_: str,
    division: str,
    submitter: str,
    system: Path,
    model: str,
    implementation: str,
    measurement: tuple[str, ...],
    code: Path | None,
    calibration: Path | None,
    infer: bool,
    out: Path | None,
    plan_only: bool,
    as_json: bool,
) -> int:
    """Pack run folders into the submission tree of a round.

    A folder of several runs, such as that of `mlassay run --mode submission`, stands for all of them.

    The tree is checked before anything is written; what would be rejected is refused. Accuracy logs are truncated with
    their hash, the whole ones stay beside the tree, and a manifest lists the SHA-256 of every file.
    """
    from mlassay.core.enums import Division
    from mlassay.core.errors import UsageError
    from mlassay.submission.pack import plan_pack
    from mlassay.submission.pack_request import PackRequest
    from mlassay.submission.pack_view import plan_document, plan_text
    from mlassay.submission.pack_write import write_archive, write_plan

    request = PackRequest(
        round=round_,
        division=Division(division),
        submitter=submitter,
        system=system,
        model=model,
        implementation=implementation,
        measurements=_pairs(measurement),
        code=code,
        calibration=calibration,
        infer=infer,
    )
    plan = plan_pack(runs, request)
    if plan_only:
        emit_json(plan_document(plan)) if as_json else click.echo(plan_text(plan), nl=False)
        return 1 if plan.refusals else 0
    if out is None:
        raise UsageError("where to?", hint="give --out DIRECTORY, or --plan to only look")
    packed = write_archive(plan, out) if out.name.endswith((".tar.gz", ".tgz")) else write_plan(plan, out)
    if as_json:
        emit_json(
            {**plan_document(plan), "tree": packed.tree, "manifest": packed.manifest, "originals": packed.originals}
        )
    else:
        click.echo(f"{packed.tree}: {packed.n_files} files, {packed.n_bytes:,} bytes; checksums in {packed.manifest}")
        if packed.originals:
            click.echo(f"whole accuracy logs: {packed.originals} (keep them for an audit)")
        for note in plan.notes:
            click.echo(f"note: {note}")
        click.echo(f"next: mlassay check {packed.tree}")
    return 0


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="-m")
        pairs[key] = value
    return pairs
