"""`mlassay quantize`: a task's model in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlassay.cli.output import emit_json, json_option
from mlassay.cli.run import pairs

EXAMPLES = """\b
Examples:
  mlassay quantize image-classification --out int8/
  mlassay quantize medical-segmentation --activations 16 --out int8-16/
  mlassay quantize image-classification --with openvino --calibration 300 --out int8-ov/
  mlassay run image-classification -s offline --mode accuracy -b file=int8/model.onnx
"""

TOOLS = ["onnxruntime", "openvino"]
RANGES = ["minmax", "entropy", "percentile"]
OPERATORS = ["products", "all"]


@click.command("quantize", epilog=EXAMPLES)
@click.argument("task")
@click.option("--with", "tool", type=click.Choice(TOOLS), default="onnxruntime", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the model and its method.")
@click.option("--calibration", type=click.IntRange(1), default=128, show_default=True, help="Samples to calibrate on.")
@click.option("--calibration-list", type=click.Path(path_type=Path, exists=True), help="Sample indices, one a line.")
@click.option("--calibrate", type=click.Choice(RANGES), default="minmax", show_default=True)
@click.option(
    "--activations", type=click.Choice(["8", "16"]), default="8", show_default=True, help="Bits of activations."
)
@click.option(
    "--operators",
    type=click.Choice(OPERATORS),
    default="products",
    show_default=True,
    help="Round matrix products, convolutions and tables, or all that the tool can.",
)
@click.option("--per-channel/--per-tensor", default=True, show_default=True, help="Scales of the weights.")
@click.option("--check", type=click.IntRange(0), default=0, help="Samples to measure accuracy on; 0: all.")
@click.option("--profile", default="", help="Profile of the task.")
@click.option("--model", default="", help="A model that the task knows, or a model file of yours.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option("-o", "--task-option", multiple=True, metavar="KEY=VALUE", help="Option of the task.")
@json_option
def command(
    task: str, profile: str, model: str, data: Path | None, task_option: tuple[str, ...], as_json: bool, **words: Any
) -> int:
    """Round TASK's model to int8 with a calibration set, and say what that costs in accuracy.

    The method is written to OUT/quantization.json, for a submission. Exit code 1: the accuracy target is missed.
    """
    from mlassay.runs.quantize import QuantizeRequest, quantize_model
    from mlassay.tasks.metrics import significant
    from mlassay.tasks.task import TaskRequest

    words["activations"] = int(words["activations"])
    wanted = TaskRequest(profile=profile, model=model, data=data, options=pairs(task_option, "--task-option"))
    done = quantize_model(QuantizeRequest(task=task, open=wanted, **words))
    before, after = done.before, done.after
    reached = None if after.target is None else after.target.met_by(after.value)
    if as_json:
        emit_json(done)
        return int(reached is False)
    click.echo(f"written: {done.path} ({done.bytes_after:,} bytes; the source has {done.bytes_before:,})")
    click.echo(f"  before: {before.official_line}")
    click.echo(f"  after:  {after.official_line}")
    if after.target is not None:
        click.echo(f"  target {significant(after.target.value)} {after.unit}: {'reached' if reached else 'MISSED'}")
    click.echo(f"  int8: {done.weights}")
    click.echo(f"  method: {done.method}")
    if reached is False and words["tool"] == "onnxruntime" and words["activations"] == 8:
        click.echo("  next: --activations 16 is nearer to the source, or --with openvino")
        return 1
    backend = "" if words["tool"] == "onnxruntime" else " --backend openvino"
    click.echo(f"  next: mlassay run {task} -s offline --mode accuracy{backend} -b file={done.path}")
    return int(reached is False)
