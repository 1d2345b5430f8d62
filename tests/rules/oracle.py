"""Asks the official package what a configuration file does; each question in a process of its own.

The package keeps state per process, so this file, run as a script, forks once per question. Questions and answers are
JSON on standard input and output: [[text, model, scenario, conf_type], ...] -> [[code, {attribute: value}], ...].
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

INSTALLED = find_spec("mlperf_loadgen") is not None

Question = tuple[str, str, str, int]
Answer = tuple[int, dict[str, Any]]


def ask(questions: list[Question]) -> list[Answer]:
    done = subprocess.run(
        [sys.executable, __file__], input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=120
    )
    return [(code, values) for code, values in json.loads(done.stdout)]


def _answer(question: Question) -> Answer:
    import os
    import tempfile

    import mlperf_loadgen as official

    text, model, scenario, kind = question
    read_end, write_end = os.pipe()
    if not os.fork():
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(text)
            file.flush()
            settings = official.TestSettings()
            code = settings.FromConfig(file.name, model, scenario, kind)
        names = [n for n in dir(settings) if not n.startswith("_") and n != "FromConfig"]
        values = {n: getattr(settings, n) for n in names}
        plain = {n: v.name if n in ("mode", "scenario") else v for n, v in values.items()}
        os.write(write_end, json.dumps([code, plain]).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        code, values = json.loads(pipe.read())
    os.wait()
    return code, values


if __name__ == "__main__":
    json.dump([_answer(tuple(q)) for q in json.load(sys.stdin)], sys.stdout)
