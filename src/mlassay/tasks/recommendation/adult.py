"""The Adult census table (UCI repository, CC BY 4.0) as a stand-in for clicks: does a person earn more than 50,000?

Five numbers and six categories a row; the columns race, sex, and the sampling weight are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile

TEST_ROWS, TRAIN_ROWS = 16_281, 32_561
NUMBERS = {"age": 0, "education-num": 4, "capital-gain": 10, "capital-loss": 11, "hours-per-week": 12}
"""Name to column of the published files."""

CATEGORIES: dict[str, tuple[int, tuple[str, ...]]] = {
    "workclass": (1, ("?", "Federal-gov", "Local-gov", "Never-worked", "Private", "Self-emp-inc", "Self-emp-not-inc",
                      "State-gov", "Without-pay")),
    "education": (3, ("10th", "11th", "12th", "1st-4th", "5th-6th", "7th-8th", "9th", "Assoc-acdm", "Assoc-voc",
                      "Bachelors", "Doctorate", "HS-grad", "Masters", "Preschool", "Prof-school", "Some-college")),
    "marital-status": (5, ("Divorced", "Married-AF-spouse", "Married-civ-spouse", "Married-spouse-absent",
                           "Never-married", "Separated", "Widowed")),
    "occupation": (6, ("?", "Adm-clerical", "Armed-Forces", "Craft-repair", "Exec-managerial", "Farming-fishing",
                       "Handlers-cleaners", "Machine-op-inspct", "Other-service", "Priv-house-serv", "Prof-specialty",
                       "Protective-serv", "Sales", "Tech-support", "Transport-moving")),
    "relationship": (7, ("Husband", "Not-in-family", "Other-relative", "Own-child", "Unmarried", "Wife")),
    "native-country": (13, ("?", "Cambodia", "Canada", "China", "Columbia", "Cuba", "Dominican-Republic", "Ecuador",
                            "El-Salvador", "England", "France", "Germany", "Greece", "Guatemala", "Haiti",
                            "Holand-Netherlands", "Honduras", "Hong", "Hungary", "India", "Iran", "Ireland", "Italy",
                            "Jamaica", "Japan", "Laos", "Mexico", "Nicaragua", "Outlying-US(Guam-USVI-etc)", "Peru",
                            "Philippines", "Poland", "Portugal", "Puerto-Rico", "Scotland", "South", "Taiwan",
                            "Thailand", "Trinadad&Tobago", "United-States", "Vietnam", "Yugoslavia")),
}  # fmt: skip
"""Name to column and the published values, spelled as published, in the order of their ids."""

ROWS_PER_TABLE = tuple(len(values) for _, values in CATEGORIES.values())
_COLUMNS = 15


@dataclass(frozen=True, slots=True)
class AdultTable:
    """Rows as numbers."""

    dense: NDArray[np.int32]  # (rows, 5)
    ids: NDArray[np.uint8]  # (rows, 6)
    labels: NDArray[np.uint8]  # (rows,)


def read_table(path: Path) -> AdultTable:
    """adult.data or adult.test as published: values by commas, the label last, in the test file with a full stop."""
    known = [{value: number for number, value in enumerate(values)} for _, values in CATEGORIES.values()]
    dense, ids, labels = [], [], []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("|"):  # the test file begins with a remark
            continue
        values = [value.strip() for value in line.split(",")]
        label = values[-1].rstrip(".")
        if len(values) != _COLUMNS or label not in ("<=50K", ">50K"):
            raise BadFile(
                path, key=f"line {number}", found=repr(line[:60]), expected="15 values, the last <=50K or >50K"
            )
        try:
            dense.append([int(values[column]) for column in NUMBERS.values()])
            ids.append([table[values[column]] for table, (column, _) in zip(known, CATEGORIES.values(), strict=True)])
        except (ValueError, KeyError) as error:
            raise BadFile(path, key=f"line {number}", found=f"with {error}", expected="published values") from error
        labels.append(label == ">50K")
    if not labels:
        raise BadFile(path, found="without rows", expected="15 values a line")
    return AdultTable(np.asarray(dense, np.int32), np.asarray(ids, np.uint8), np.asarray(labels, np.uint8))
