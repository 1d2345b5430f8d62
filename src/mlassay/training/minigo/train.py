"""MiniGo as a benchmark: self-play, training, gating, evaluation. A generation is an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.core.errors import BadFile, UsageError
from mlassay.training.benchmark import Spec, StepReport, Surroundings
from mlassay.training.common import schedules
from mlassay.training.common.backbone import check_shapes, read_tensors
from mlassay.training.common.engine import TorchBenchmark
from mlassay.training.common.order import Indices
from mlassay.training.minigo.features import turned
from mlassay.training.minigo.go import Position
from mlassay.training.minigo.model import GoNet
from mlassay.training.minigo.recipe import MinigoConfig
from mlassay.training.minigo.search import Floats, Judge, Node, SearchSettings, area_judge, root_of, search
from mlassay.training.minigo.selfplay import Lesson, match, openings, self_play
from mlassay.training.minigo.sgf import read_games

JUDGE_BATCH = 1024


class Minigo(TorchBenchmark[MinigoConfig]):
    """Policy cross-entropy plus squared value error plus ½·l2·‖weights‖², biases left out."""

    def __init__(self, config: MinigoConfig, spec: Spec, around: Surroundings) -> None:
        super().__init__(config, spec, around)
        if around.world_size > 1:
            raise UsageError("minigo runs in one process", hint="leave torchrun away; give it --threads")
        self.window: list[Lesson] = []
        self.games: list[tuple[Position, list[int]]] = []
        self._best: dict[str, Tensor] | None = None
        self._opponent: Judge = area_judge

    def make_model(self) -> nn.Module:
        c = self.config
        return GoNet(c.board, 2 * c.n_past + 1, c.n_filters, c.n_blocks, c.dense, c.conv_bias, c.norm_momentum)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        c = self.config
        weights = [p for n, p in model.named_parameters() if not n.endswith("bias")]
        biases = [p for n, p in model.named_parameters() if n.endswith("bias")]
        groups = [{"params": weights, "weight_decay": c.l2}, {"params": biases, "weight_decay": 0.0}]
        return torch.optim.SGD(groups, c.learning_rate, c.momentum)

    def load_data(self) -> tuple[int, int]:
        """No data set: only what judges it, professional games or the checkpoint of a fixed opponent."""
        c = self.config
        if c.evaluation == "moves":
            if self.around.data is None:
                raise BadFile("--data", found="not given", expected="a folder with SGF games of professionals")
            self.games = read_games(self.around.data, c.board, c.komi)
            return c.examples_per_generation, sum(len(moves) for _, moves in self.games)
        if c.opponent != "area":
            self._opponent = self._judge_from((self.around.data or Path()) / c.opponent)
        return c.steps_per_generation * c.global_batch_size, 2 * max(1, c.eval_games // 2)

    def _judge_from(self, path: Path) -> Judge:
        """The network that a checkpoint holds, as a player."""
        tensors = read_tensors(
            path, "the fixed opponent's weights, a checkpoint of this network", "--set opponent=area"
        )
        rival = self.make_model().to(self.device)
        check_shapes(path, tensors, rival)
        rival.load_state_dict(tensors)
        return judge_of(rival, self.device)

    def order_size(self, n_train: int) -> int:
        return self.config.steps_per_generation * self.config.global_batch_size

    def step_budget(self, per_epoch: int) -> int:
        return self.config.max_generations * per_epoch

    def first_evaluation(self, per_epoch: int) -> int:
        return self.config.first_eval_generation * per_epoch

    def step(self) -> StepReport:
        generation, within = divmod(self.step_number, self.config.steps_per_generation)
        if within == 0:
            self._new_generation(generation)
        return super().step()

    def learning_rate(self, step: int) -> float:
        return self.config.learning_rate * schedules.piecewise(step, self.config.boundaries)

    def _new_generation(self, generation: int) -> None:
        """Gate the trained network, let the best one play itself, and keep the newest lessons."""
        c = self.config
        rng = np.random.default_rng((self.around.seed, 19, generation))
        kept = self._kept_state()
        if self._best is None:
            self._best = kept
        elif c.gating_games:
            self._gate(self._best, rng)
        self.net.load_state_dict(self._best)
        self.window += self_play(c, self.judge, c.games_per_generation, rng)
        self.window = self.window[-c.window_positions :]
        self.net.load_state_dict(kept)

    def _gate(self, best: dict[str, Tensor], rng: np.random.Generator) -> None:
        """The trained network becomes the player when it wins at least the gate's share against the present one."""
        c = self.config
        rival = self.make_model().to(self.device)
        rival.load_state_dict(best)
        starts = self._starts(c.gating_games, rng)
        if match(c, self.judge, judge_of(rival, self.device), starts, (c.readouts, c.readouts)) >= c.gate:
            self._best = self._kept_state()

    def _starts(self, n_games: int, rng: np.random.Generator) -> list[Position]:
        """Openings for so many games, two of each."""
        return openings(self.config.board, self.config.komi, max(1, n_games // 2), rng)

    def _kept_state(self) -> dict[str, Tensor]:
        return {k: v.clone() for k, v in self.net.state_dict().items()}

    def loss(self, model: nn.Module, indices: Indices, rng: np.random.Generator) -> Tensor:
        lessons = [self.window[i] for i in rng.integers(0, len(self.window), len(indices))]
        pairs = [turned(x.planes, x.policy, int(rng.integers(8))) for x in lessons]
        planes = torch.from_numpy(np.stack([p for p, _ in pairs])).float().to(self.device)
        wanted = torch.from_numpy(np.stack([p for _, p in pairs])).to(self.device)
        results = torch.tensor([x.result for x in lessons], dtype=torch.float32, device=self.device)
        scores, values = model(planes)
        return F.cross_entropy(scores, wanted) + self.config.value_weight * F.mse_loss(values, results)

    def judge(self, features: npt.NDArray[np.uint8], nodes: Sequence[Node]) -> tuple[Floats, Floats]:
        return judge_of(self.net, self.device)(features, nodes)

    def evaluate(self) -> Mapping[str, float]:
        c = self.config
        if c.evaluation == "match":
            starts = self._starts(c.eval_games, np.random.default_rng(20181212))  # always the same
            readouts = (c.eval_readouts, c.opponent_readouts or c.eval_readouts)
            return {"win_rate": match(c, self.judge, self._opponent, starts, readouts)}
        return {"move_prediction": self._move_prediction()}

    def _move_prediction(self) -> float:
        """Share of all moves found, averaged over moves and not over games: as the reference's code does."""
        c = self.config
        settings = SearchSettings(c.puct, c.n_past, 0.0, max(1, c.leaves_at_once // 2))
        under_way = [(root_of(start.copy()), list(reversed(moves))) for start, moves in self.games if moves]
        right = asked = 0
        while under_way:
            search([root for root, _ in under_way], c.eval_readouts, self.judge, settings)
            following = []
            for root, to_come in under_way:
                move = to_come.pop()
                right += int(np.argmax(root.n)) == move
                asked += 1
                if to_come:
                    root = root.child(move, c.n_past)
                    root.parent = None
                    following.append((root, to_come))
            under_way = following
        return right / max(asked, 1)

    def extra_state(self) -> dict[str, Any]:
        if not self.window:
            return {"best": self._best}
        return {
            "best": self._best,
            "planes": torch.from_numpy(np.stack([x.planes for x in self.window])),
            "policy": torch.from_numpy(np.stack([x.policy for x in self.window])),
            "result": torch.tensor([x.result for x in self.window]),
        }

    def restore_extra(self, state: dict[str, Any]) -> None:
        self._best = state["best"]
        if "planes" in state:
            columns = (state["planes"].numpy(), state["policy"].numpy(), state["result"].tolist())
            self.window = [Lesson(p, q, r) for p, q, r in zip(*columns, strict=True)]


def judge_of(net: nn.Module, device: torch.device) -> Judge:
    """A network as a judge of positions."""

    def judge(features: npt.NDArray[np.uint8], nodes: Sequence[Node]) -> tuple[Floats, Floats]:
        net.eval()
        priors, values = [], []
        with torch.no_grad():
            for start in range(0, len(features), JUDGE_BATCH):
                scores, value = net(torch.from_numpy(features[start : start + JUDGE_BATCH]).float().to(device))
                priors.append(scores.softmax(-1).cpu().numpy())
                values.append(value.cpu().numpy())
        return np.concatenate(priors), np.concatenate(values)

    return judge
