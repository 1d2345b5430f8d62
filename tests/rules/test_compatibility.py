"""May two rounds be compared? The table's answer, its exceptions, and what readers must be told."""

from __future__ import annotations

import pytest

from mlassay.core.enums import Scenario
from mlassay.core.errors import UnknownName
from mlassay.rules.compatibility import comparable
from mlassay.rules.reader import load_round, rounds

SOURCE = "mlcommons/policies MLPerf_Compatibility_Table.adoc @ c195f80 (2026-04-28)"


@pytest.mark.parametrize(
    ("model", "a", "b", "suite", "yes", "reason"),
    [
        ("resnet", "v0.5", "v5.0", "datacenter", True,
         f"ResNet-50 v1.5 is comparable from v0.5 to v5.0 in the datacenter suite ({SOURCE})"),
        ("resnet50", "v5.0", "v0.5", "datacenter", True,
         f"ResNet-50 v1.5 is comparable from v0.5 to v5.0 in the datacenter suite ({SOURCE})"),
        ("resnet", "v5.0", "v5.1", "datacenter", False,
         f"ResNet-50 v1.5 is comparable only within v0.5 to v5.0 in the datacenter suite ({SOURCE})"),
        ("BERT", "v4.1", "v5.1", "edge", True, f"BERT is comparable from v0.7 to v6.0 in the edge suite ({SOURCE})"),
        ("dlrm-99", "v3.0", "v3.1", "datacenter", False,
         f"DLRM is comparable only within v0.7 to v3.0 in the datacenter suite ({SOURCE})"),
        ("llama2-70b", "v4.0", "v4.1", "edge", False, f"Llama2-70b has no row in the edge suite ({SOURCE})"),
        ("rgat", "v6.0", "v6.1", "datacenter", False, f"the table ends with v6.0: v6.1 is not in it ({SOURCE})"),
        ("rgat", "v6.1", "v6.1", "datacenter", True, "both are v6.1"),
    ],
)  # fmt: skip
def test_the_tables_answer(model: str, a: str, b: str, suite: str, yes: bool, reason: str) -> None:
    answer = comparable(model, a, b, suite)
    assert (answer.comparable, answer.reason) == (yes, reason)
    assert bool(answer) is yes


def test_multistream_changed_its_meaning() -> None:
    answer = comparable("resnet", "v1.0", "v2.0", "edge", Scenario.MULTI_STREAM)
    assert not answer
    assert answer.reason == f"MultiStream v0.5-v1.1 is not comparable with v2.0+ ({SOURCE})"
    assert comparable("resnet", "v2.0", "v5.1", "edge", Scenario.MULTI_STREAM)


def test_cautions_come_from_the_rules() -> None:
    moved = comparable("3d-unet", "v1.1", "v2.0", "edge")
    assert moved
    assert moved.cautions[0] == "the data set changed from BraTS 2019 (224x224x160) to KiTS19"
    assert "the table itself looks wrong here" in moved.cautions[-1]
    server = comparable("resnet", "v4.0", "v4.1", "datacenter", Scenario.SERVER)
    assert server.cautions == ("server counts completed samples since, scheduled before",)
    offline = comparable("bert-99", "v3.1", "v4.0", "datacenter", Scenario.OFFLINE)
    assert offline.cautions == ("offline needs 10833 samples instead of 24576",)
    longer = comparable("resnet", "v0.7", "v1.0", "edge", Scenario.SINGLE_STREAM)
    assert longer.cautions == ("a run lasts at least 60 s in v0.7 and 600 s in v1.0",)
    assert comparable("resnet", "v2.0", "v2.1", "edge", Scenario.OFFLINE).cautions == ()


def test_a_model_that_the_table_does_not_know() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown model of the compatibility table 'resnt'\n  next: did you mean resnet"
    ):
        comparable("resnt", "v0.5", "v0.7", "edge")


def test_every_benchmark_up_to_v60_has_a_row_except_the_one_never_adopted() -> None:
    for name in rounds()[:-1]:
        for id in load_round(name).benchmarks:
            if not id.startswith("gpt3"):
                assert comparable(id, name, name, "edge")
