"""`mlassay new-backend`: a package for a runtime or an accelerator of the user's own."""

from __future__ import annotations

from pathlib import Path

import click

from mlassay.cli.output import emit_json, json_option

EXAMPLES = """\b
Examples:
  mlassay new-backend my-npu
  pip install -e mlassay-my-npu && pytest mlassay-my-npu
  mlassay run image-classification -s offline --backend my-npu
"""


@click.command("new-backend", epilog=EXAMPLES)
@click.argument("name")
@click.option("--in", "parent", type=click.Path(path_type=Path), default=Path(), help="Folder to write it into.")
@json_option
def command(name: str, parent: Path, as_json: bool) -> None:
    """Write mlassay-NAME: entry point, typed skeleton, conformance test, README.

    The skeleton runs ONNX Runtime as a stand-in, so that its tests pass from the start; replace it piece by piece.
    """
    from mlassay.backends.new_backend import write_package

    made = write_package(name, parent)
    if as_json:
        emit_json(made)
        return
    for path in made.files:
        click.echo(f"written: {path}")
    click.echo(f"  next: pip install -e {made.folder} && pytest {made.folder}")
