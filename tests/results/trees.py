"""Small trees in the layouts of the published rounds, written for one oddity each."""

from __future__ import annotations

import json
from pathlib import Path

QUIET = "No warnings encountered during test.\n\nNo errors encountered during test.\n"
SEEDS = {"qsl": 3133965575612453542, "sample_index": 665484352860916858, "schedule": 3622009729038561421}

SYSTEM = {
    "division": "closed",
    "status": "available",
    "submitter": "Acme",
    "system_name": "Acme One",
    "number_of_nodes": 1,
    "host_processors_per_node": 2,
    "host_processor_model_name": "Some CPU",
    "accelerators_per_node": 4,
    "accelerator_model_name": "NVIDIA Tesla T4",
    "framework": "TensorRT 6.0",
    "operating_system": "Linux",
}


def summary(
    scenario: str = "Offline", value: str = "100", *, valid: str = "VALID", name: str = "SUT", mode: str = "Performance"
) -> str:
    """mlperf_log_summary.txt as v0.5 wrote it."""
    line = {
        "Offline": f"Samples per second: {value}",
        "Server": f"Scheduled samples per second : {value}",
        "Single Stream": f"90th percentile latency (ns) : {value}",
        "Multi Stream": f"Samples per query : {value}",
    }[scenario]
    p90 = value if scenario == "Single Stream" else "5000"
    bar = "=" * 48
    return (
        f"{bar}\nMLPerf Results Summary\n{bar}\nSUT name : {name}\nScenario : {scenario}\nMode     : {mode}\n{line}\n"
        f"Result is : {valid}\n  Min duration satisfied : Yes\n  Min queries satisfied : Yes\n\n"
        f"{bar}\nAdditional Stats\n{bar}\nMin latency (ns)                : 1000\n"
        f"Max latency (ns)                : 9000\n"
        f"50.00 percentile latency (ns)   : 2000\n90.00 percentile latency (ns)   : {p90}\n"
        f"99.00 percentile latency (ns)   : 8000\n\n{bar}\nTest Parameters Used\n{bar}\nsamples_per_query : 24576\n"
        f"qsl_rng_seed : {SEEDS['qsl']}\nsample_index_rng_seed : {SEEDS['sample_index']}\n"
        f"schedule_rng_seed : {SEEDS['schedule']}\n\n{QUIET}"
    )


class InferenceTree:
    """A v0.5 tree under `root`; every method adds files."""

    def __init__(self, root: Path, name: str = "inference_results_v0.5") -> None:
        self.root = root / name
        self.root.mkdir()

    def write(self, path: str, content: str | bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())

    def system(
        self, name: str = "one", *, submitter: str = "Acme", division: str = "closed", raw: str = "", **changes: object
    ) -> None:
        data = {
            k: v
            for k, v in {**SYSTEM, "submitter": submitter, "division": division, **changes}.items()
            if v is not None
        }
        self.write(f"{division}/{submitter}/systems/{name}.json", raw or json.dumps(data))

    def result(
        self,
        system: str = "one",
        benchmark: str = "resnet",
        scenario: str = "Offline",
        *,
        submitter: str = "Acme",
        division: str = "closed",
        logs: str | bytes | None = None,
        folder: str = "performance/run_1",
        accuracy: str | None = "accuracy=76.46%, good=38230, total=50000\n",
    ) -> str:
        """One result; its path."""
        path = f"{division}/{submitter}/results/{system}/{benchmark}/{scenario}"
        spelled = {"singlestream": "Single Stream", "multistream": "Multi Stream", "server": "Server"}
        text = summary(spelled.get(scenario.lower(), "Offline")) if logs is None else logs
        self.write(f"{path}/{folder}/mlperf_log_summary.txt".replace("//", "/"), text)
        if accuracy is not None:
            self.write(f"{path}/accuracy/accuracy.txt", accuracy)
            self.write(
                f"{path}/accuracy/mlperf_log_summary.txt",
                "No warnings encountered during test.\n\nNo errors encountered during test.\n",
            )
        return path


def v05_log(
    minutes: float,
    *,
    benchmark: str = "resnet",
    success: object = True,
    quality: object = 0.75,
    target: object = 0.749,
    start: float = 1_541_000_000.0,
    prefix: str = "",
    end: str = "\n",
    space: bool = False,
) -> str:
    """One v0.5 training log."""
    stop = start + minutes * 60
    colon = " : " if space else ": "

    def line(when: float, tag: str, value: object = None) -> str:
        tail = "" if value is None else f"{colon}{json.dumps(value)}"
        return f"{prefix}:::MLPv0.5.0 {benchmark} {when:.9f} (train.py:1) {tag}{tail}{end}"

    status = None if success is None else {"success": success}
    return "".join(
        (
            line(start, "run_start"),
            line(start + 1, "eval_target", target),
            line(stop - 1, "eval_accuracy", {"epoch": 3, "value": quality}),
            line(stop, "run_stop", status),
            line(stop + 1, "run_final"),
        )
    )


def v06_log(
    minutes: float,
    *,
    benchmark: str = "resnet",
    status: str = "success",
    quality: object = 0.76,
    org: str = "Acme",
    division: str = "closed",
    availability: str = "onprem",
    start: float = 1_560_000_000.0,
) -> str:
    """One v0.6 training log."""
    stop = start + minutes * 60

    def line(when: float, key: str, value: object, **about: object) -> str:
        body = json.dumps({"value": value, "metadata": {"file": "a.py", "lineno": 1, **about}})
        return f":::MLL {when:.3f} {key}: {body}\n"

    return "".join(
        (
            line(start - 9, "submission_benchmark", benchmark),
            line(start - 9, "submission_org", org),
            line(start - 9, "submission_division", division),
            line(start - 9, "submission_status", availability),
            line(start, "run_start", None),
            line(stop - 1, "eval_accuracy", quality, epoch_num=3),
            line(stop, "run_stop", None, status=status),
        )
    )


ENTRY = {
    "division": "closed",
    "status": "on-prem",
    "hardware": "Acme box",
    "framework": "PyTorch NVIDIA Release 19.05",
    "os": "Linux",
    "nodes": [{"num_nodes": 2, "cpu": "2x Intel(R) Xeon(R)", "accelerator": "Tesla V100", "num_accelerators": 8}],
}


class TrainingTree(InferenceTree):
    """A training tree; `entry` adds one benchmark on one system with its logs."""

    def entry(self, folder: str, logs: list[str | bytes], *, description: object = ENTRY, beside: bool = True) -> None:
        for number, text in enumerate(logs):
            self.write(f"{folder}/result_{number}.txt", text)
        system = folder.rpartition("/")[0]
        above, _, name = system.rpartition("/results/")
        place = f"{system}/entry.json" if beside else f"{above}/systems/{name}.json"
        self.write(place, description if isinstance(description, str) else json.dumps(description))
