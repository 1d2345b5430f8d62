"""`mlassay export`: a task's model in another runtime's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.cli.run import pairs

EXAMPLES = """\b
Examples:
  mlassay export image-classification --to onnx --out fashion.onnx
  mlassay export image-classification --to openvino
  mlassay export image-classification --to litert      (needs mlassay[export-litert])
  mlassay run image-classification -s offline --backend litert
"""


@click.command("export", epilog=EXAMPLES)
@click.argument("task")
@click.option("--to", required=True, type=click.Choice(["onnx", "openvino", "litert", "torchscript"]))
@click.option("--out", type=click.Path(path_type=Path), help="File to write. Default: the cache, where backends look.")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Batch size, for litert.")
@click.option("--profile", default="", help="Profile of the task.")
@click.option("--model", default="", help="A model that the task knows, or a model file of yours.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set: the check uses its samples.")
@click.option("-o", "--task-option", multiple=True, metavar="KEY=VALUE", help="Option of the task.")
@json_option
def command(
    task: str, to: str, out: Path | None, batch: int, as_json: bool, task_option: tuple[str, ...], **words: Any
) -> int:
    """Write TASK's model in another format and check it against the source on real samples."""
    from mlassay.runs.export import export_model
    from mlassay.tasks.task import TaskRequest

    request = TaskRequest(options=pairs(task_option, "--task-option"), **words)
    done = export_model(request, task, to, out, batch=batch)
    if as_json:
        emit_json(done)
        return 0
    click.echo(f"written: {done.path}")
    click.echo(
        f"  checked on {done.samples} samples: differs from {done.source.name} by at most"
        f" {done.difference.maximum:.2g}, outputs reach {done.difference.scale:.3g}"
    )
    backend = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "litert", "torchscript": "torch"}[to]
    given = "" if out is None else f" -b file={out}"
    click.echo(f"  next: mlassay run {task} -s offline --backend {backend}{given}")
    return 0
