"""Go's rules on known positions and against an independent engine, search, self-play, the whole loop."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlassay.core.clock import VirtualClock
from mlassay.core.errors import BadFile
from mlassay.rules.training import load_training_round
from mlassay.runs.training_rules import as_in_round, rule_of
from mlassay.training.loop import Status, train
from mlassay.training.minigo.features import planes, turned
from mlassay.training.minigo.go import BLACK, WHITE, IllegalMove, Position, from_picture
from mlassay.training.minigo.recipe import recipe as minigo
from mlassay.training.minigo.recipe import small
from mlassay.training.minigo.search import SearchSettings, area_judge, root_of, search
from mlassay.training.minigo.selfplay import match, openings, self_play
from mlassay.training.minigo.sgf import read_games


def at(position, row, column):
    return row * position.size + column


def picture(position):
    return [" ".join(".XO"[c] for c in row).replace(" ", "") for row in position.board()]


def test_a_surrounded_stone_is_captured():
    p = from_picture(".X... XOX.. ..... ..... .....")
    p.play(at(p, 2, 1))
    assert picture(p)[1] == "X.X.."
    assert p.captured == 1


def test_a_group_is_captured_whole():
    p = from_picture("OOX.. O.... X.... ..... .....")
    p.play(at(p, 1, 1))
    assert picture(p)[:2] == ["..X..", ".X..."]
    assert p.captured == 3


def test_suicide_is_forbidden_but_capturing_is_not_suicide():
    p = from_picture(".O... O.... ..... ..... .....")
    with pytest.raises(IllegalMove, match="suicide at row 0, column 0"):
        p.play(0)
    assert not p.legal()[0]
    p = from_picture(".OX.. OX... X.... ..... .....")
    p.play(0)
    assert picture(p)[:2] == ["X.X..", ".X..."]


def test_ko_may_not_be_retaken_at_once():
    p = from_picture(".XO.. XO.O. .XO.. ..... .....")
    p.play(at(p, 1, 2))  # takes the stone at 1,1
    assert p.captured == 1
    with pytest.raises(IllegalMove, match="superko at row 1, column 1"):
        p.play(at(p, 1, 1))
    assert not p.legal()[at(p, 1, 1)]
    p.play(at(p, 4, 4))
    p.play(at(p, 4, 0))
    p.play(at(p, 1, 1))  # after a threat elsewhere it may
    assert p.captured == 1


def test_no_board_ever_comes_back():
    """Positional superko: whoever is to move. A small, crowded board, where repetitions offer themselves."""
    p = from_picture(".OX.. OOX.. XXX.. ..... .....", to_play=WHITE)
    seen = set()
    rng = np.random.default_rng(0)
    for _ in range(120):
        if p.over:
            break
        legal = np.nonzero(p.legal())[0]
        p.play(int(rng.choice(legal)))
        key = p.board().tobytes()
        assert p.last == p.pass_move or key not in seen
        seen.add(key)


@pytest.mark.parametrize(
    ("rows", "area"),
    [
        ("..... ..... ..... ..... .....", 0),
        ("X.... ..... ..... ..... .....", 25),
        ("..X.. ..X.. ..X.. ..X.. ..X..", 25),
        (".XO.. .XO.. .XO.. .XO.. .XO..", 10 - 15),
        ("X.O.. X.O.. X.O.. X.O.. X.O..", 5 - 15),  # the open file touches both: nobody's
        # a seki: the shared liberties count for neither, the stones for their owners
        (".XOX. XXOXX OO.OO XXOXX .XOX.", None),
    ],
)
def test_area_is_counted(rows, area):
    p = from_picture(rows, komi=0.5)
    if area is None:
        stones = rows.count("X") - rows.count("O")
        corners = 4  # four empty corners touch Black alone; the centre touches White alone
        area = stones + corners - 1
    assert p.score() == area - 0.5


def test_two_passes_end_the_game():
    p = Position(5)
    p.play(25)
    assert not p.over
    p.play(25)
    assert p.over
    assert p.score() == -7.5


def test_an_occupied_or_outer_point_is_refused_and_nothing_changes():
    p = Position(5)
    p.play(7)
    for move, why in ((7, "occupied at row 1, column 2"), (26, "move 26 is not on a board of 5")):
        before = (picture(p), p.to_play, p.moves)
        with pytest.raises(IllegalMove, match=why):
            p.play(move)
        assert (picture(p), p.to_play, p.moves) == before


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 5, 9]))
def test_random_games_keep_the_laws(seed, size):
    rng = np.random.default_rng(seed)
    p = Position(size)
    for _ in range(60):
        if p.over:
            break
        legal = p.legal()
        stones = int((p.board() > 0).sum())
        move = int(rng.choice(np.nonzero(legal)[0]))
        copy = p.copy()
        copy.play(move)
        assert picture(p) != picture(copy) or move == p.pass_move
        after = int((copy.board() > 0).sum())
        assert after == stones + (move != p.pass_move) - copy.captured
        p = copy
        for y in range(size):
            for x in range(size):
                if p.board()[y, x]:
                    point = (y + 1) * (size + 2) + x + 1
                    assert not p._group_without_liberty(point, -1), "a stone without liberty stays on the board"


LETTERS = "ABCDEFGHJ"


class Gnugo:
    """The Debian package's engine, spoken to in GTP: an independent referee."""

    def __init__(self, size):
        self.size = size
        self.process = subprocess.Popen(
            ["/usr/games/gnugo", "--mode", "gtp", "--chinese-rules", "--forbid-suicide", "--positional-superko"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.ask(f"boardsize {size}")
        self.ask("clear_board")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline().strip()) or not lines:
            if line:
                lines.append(line)
        return " ".join(lines)

    def name(self, move):
        return f"{LETTERS[move % self.size]}{self.size - move // self.size}"

    def legal(self, colour, move):
        return self.ask(f"is_legal {colour} {self.name(move)}").endswith("1")

    def stones(self, colour):
        return sorted(self.ask(f"list_stones {colour}").lstrip("= ").split())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.mark.skipif(shutil.which("gnugo", path="/usr/games") is None, reason="GNU Go is not installed")
def test_the_rules_agree_with_an_independent_engine():
    engine = Gnugo(5)
    rng = np.random.default_rng(4)
    try:
        checked = 0
        for _ in range(3):
            engine.ask("clear_board")
            p = Position(5)
            for _ in range(45):
                colour = "black" if p.to_play == BLACK else "white"
                legal = p.legal()
                for move in range(25):
                    assert engine.legal(colour, move) == bool(legal[move]), (picture(p), colour, move)
                    checked += 1
                choices = np.nonzero(legal[:-1])[0]
                if not len(choices):
                    break
                move = int(rng.choice(choices))
                p.play(move)
                engine.ask(f"play {colour} {engine.name(move)}")
            names = [engine.name(m) for m in range(25)]
            for colour, stone in (("black", BLACK), ("white", WHITE)):
                ours = sorted(n for n, c in zip(names, p.board().ravel(), strict=True) if c == stone)
                assert engine.stones(colour) == ours
        assert checked > 1000
    finally:
        engine.close()


def test_the_rules_agree_with_another_librarys_board():
    """sgfmill captures stones and counts area; suicide and superko are then a look at the board and at all before."""
    boards = pytest.importorskip("sgfmill.boards")
    rng = np.random.default_rng(4)
    refused = 0
    for size in (3, 4, 5):
        p, theirs = Position(size, 0.0), boards.Board(size)
        seen = [theirs.board]
        for _ in range(size * size * 3):
            legal, colour = p.legal(), "b" if p.to_play == BLACK else "w"
            for move in range(size * size):
                after = played(theirs, move, colour)
                allowed = after is not None and after.get(*divmod(move, size)) == colour and after.board not in seen
                assert bool(legal[move]) == allowed, (picture(p), colour, move)
                refused += after is not None and not allowed
            choices = np.nonzero(legal[:-1])[0]
            if not len(choices):
                break
            move = int(rng.choice(choices))
            p.play(move)
            theirs = played(theirs, move, colour)
            seen.append(theirs.board)
            stones = [{None: ".", "b": "X", "w": "O"}[theirs.get(y, x)] for y in range(size) for x in range(size)]
            assert "".join(picture(p)) == "".join(stones)
            assert p.score() == theirs.area_score()
    assert refused > 20, "neither suicide nor ko came up"


def played(board, move, colour):
    """A copy of the board with the move on it; None where a stone stands already."""
    if board.get(*divmod(move, board.side)) is not None:
        return None
    after = board.copy()
    after.play(*divmod(move, board.side), colour)
    return after


# --- features and search


def test_planes_show_own_and_other_stones_newest_first():
    p = Position(3)
    boards = [p.board()]
    for move in (0, 4):
        p.play(move)
        boards.append(p.board())
    seen = planes(boards, p.to_play, 2)
    assert seen.shape == (5, 3, 3)
    assert seen[0].ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert seen[1].ravel()[4] == 1
    assert seen[3].sum() == 0  # one move ago the other had no stone
    assert seen[4].all()


@pytest.mark.parametrize("which", range(8))
def test_symmetries_move_planes_and_policy_together(which):
    features = np.zeros((1, 5, 5), np.uint8)
    features[0, 1, 3] = 1
    policy = np.zeros(26, np.float32)
    policy[1 * 5 + 3], policy[25] = 0.7, 0.3
    moved, changed = turned(features, policy, which)
    assert changed[:-1].reshape(5, 5)[tuple(np.argwhere(moved[0])[0])] == np.float32(0.7)
    assert changed[-1] == np.float32(0.3)


def test_search_takes_a_group_in_atari():
    p = from_picture("OOX.. O.X.. X.... ..... .....", komi=0.5)
    root = root_of(p)
    search([root], 200, area_judge, SearchSettings(1.38, 2, leaves_at_once=4))
    assert int(np.argmax(root.n)) == at(p, 1, 1)


@pytest.mark.parametrize("leaves", [1, 4, 8])
def test_virtual_losses_leave_nothing_behind(leaves):
    root = root_of(Position(5, 0.5))
    search([root], 64, area_judge, SearchSettings(1.38, 2, leaves_at_once=leaves))
    assert root.n.sum() == 64

    def check(node):
        assert (np.abs(node.w) <= node.n + 1e-4).all()
        for move, child in node.children.items():
            assert child.n.sum() <= node.n[move]
            check(child)

    check(root)
    exact = [c for c in root.children.values() if c.prior is not None]
    for child in exact:
        move = child.parent_move
        once = root.n[move] - child.n.sum()
        assert root.w[move] == pytest.approx(child.value * once + child.w.sum(), abs=1e-3)


def test_a_player_is_as_strong_as_itself_and_stronger_than_chance():
    config = dataclasses.replace(small(), eval_readouts=8)

    def random_judge(features, nodes):
        rng = np.random.default_rng(features.sum())
        actions = nodes[0].position.pass_move + 1
        return rng.random((len(nodes), actions)).astype(np.float32), rng.uniform(-1, 1, len(nodes)).astype(np.float32)

    starts = openings(5, config.komi, 10, np.random.default_rng(1))
    assert match(config, area_judge, random_judge, starts, (24, 24)) > 0.6
    assert match(config, area_judge, area_judge, starts, (8, 8)) == 0.5  # each start is played with both colours
    assert match(config, area_judge, area_judge, starts, (48, 8)) > 0.6  # who looks further wins


@pytest.mark.parametrize(("board", "n"), [(3, 12), (5, 85), (9, 846)])
def test_openings_are_all_there_is_up_to_symmetry_before_one_comes_back(board, n):
    def shape(position):
        stones = position.board()
        turns = [np.rot90(side, k) for side in (stones, stones[:, ::-1]) for k in range(4)]
        return min(turn.tobytes() for turn in turns)

    drawn = openings(board, 7.5, n + 3, np.random.default_rng(4))
    shapes = [shape(p) for p in drawn]
    assert len(set(shapes[:n])) == n
    assert set(shapes[n:]) <= set(shapes)
    every = {shape(openings_at(board, a, b)) for a in range(board**2) for b in range(board**2) if a != b}
    assert set(shapes) == every
    assert all((p.moves, p.to_play) == (2, BLACK) for p in drawn)


def openings_at(board, black, white):
    position = Position(board)
    position.play(black)
    position.play(white)
    return position


def test_self_play_gives_lessons_that_agree_with_the_result():
    config = dataclasses.replace(small(), readouts=6)
    lessons = self_play(config, area_judge, 3, np.random.default_rng(2))
    assert {x.result for x in lessons} == {-1.0, 1.0}
    assert all(x.policy.sum() == pytest.approx(1.0, abs=1e-5) for x in lessons)
    assert all(x.planes.shape == (5, 5, 5) for x in lessons)


def test_games_in_sgf_are_read_and_tried(tmp_path):
    (tmp_path / "a.sgf").write_text("(;GM[1]SZ[5];B[cc];W[dc];B[];W[aa])")
    ((start, moves),) = read_games(tmp_path, 5, 0.5)
    assert moves == [12, 13, 25, 0]
    assert start.moves == 0
    (tmp_path / "b.sgf").write_text("(;SZ[5];B[cc];W[cc])")
    with pytest.raises(BadFile, match=r"b\.sgf: move 2 is occupied at row 2, column 2; expected a legal move"):
        read_games(tmp_path, 5, 0.5)
    (tmp_path / "b.sgf").write_text("(;SZ[5];B[cc];B[aa])")
    with pytest.raises(BadFile, match=r"b\.sgf: move 2 is Black's again; expected moves of both in turn"):
        read_games(tmp_path, 5, 0.5)
    (tmp_path / "b.sgf").write_text("(;SZ[19];B[cc])")
    with pytest.raises(BadFile, match="SZ is 19; expected 5"):
        read_games(tmp_path, 5, 0.5)
    with pytest.raises(BadFile, match="is without games"):
        read_games(tmp_path / "none", 5, 0.5)


def test_a_game_is_its_first_line_from_the_stones_set_up(tmp_path):
    """Variations, comments with brackets in them, handicaps, several games in one file."""
    (tmp_path / "a.sgf").write_text(
        r"(;SZ[5]C[look: (;B[ee\]) is text]AB[cc][dd]AW[aa]PL[W](;W[dc];B[ba](;W[ab])(;W[ee]))(;W[bb]))"
        "(;SZ[5];B[])(;SZ[5]AB[bb][dd];W[cc])\n"
    )
    (first, moves), (second, other), (handicap, answer) = read_games(tmp_path / "a.sgf", 5, 0.5)
    assert picture(first) == ["O....", ".....", "..X..", "...X.", "....."]
    assert (first.to_play, moves) == (WHITE, [13, 1, 5])
    assert (second.to_play, second.score(), other) == (BLACK, -0.5, [25])
    assert (handicap.to_play, answer) == (WHITE, [12])


@pytest.mark.parametrize(
    ("stones", "message"),
    [
        ("AB[cc]AW[cc]", r"AB, AW is two stones at row 2, column 2; expected stones on 5x5"),
        ("AB[ca]AW[ff]", r"AB, AW is a stone that is not on a board of 5"),
    ],
)
def test_stones_that_cannot_be_set_up_are_named(tmp_path, stones, message):
    (tmp_path / "a.sgf").write_text(f"(;SZ[5]{stones};B[aa])")
    with pytest.raises(BadFile, match=message):
        read_games(tmp_path, 5, 0.5)


@pytest.mark.torch
def test_what_judges_is_verified(tmp_path):
    torch = pytest.importorskip("torch")
    check, config = minigo().verify, dataclasses.replace(small(), evaluation="moves", board=5)
    assert str(check(tmp_path, config).problems[0]).endswith("is without games; expected SGF games on 5x5")
    (tmp_path / "a.sgf").write_text("(;GM[1]SZ[5];B[cc];W[dc])(;SZ[5];B[aa])")
    report = check(tmp_path, config)
    assert (report.complete, report.counts) == (True, {"moves that are asked for": 3})
    rival = by_match(tmp_path)
    torch.save(rival.net.state_dict(), tmp_path / "target.pth")
    assert check(tmp_path, rival.config).counts == {"games against the opponent": 12}
    (tmp_path / "target.pth").write_bytes(b"PK torn")
    assert "is not a readable state dictionary" in str(check(tmp_path, rival.config).problems[0])


# --- with the network


@pytest.mark.torch
@pytest.mark.parametrize(("which", "n_planes", "size"), [("reference", 17, 191_386), ("v07_reference", 13, 736_671)])
def test_reference_networks_have_the_published_sizes(which, n_planes, size):
    torch = pytest.importorskip("torch")
    from mlassay.training.common.engine import count_parameters
    from mlassay.training.minigo import recipe
    from mlassay.training.minigo.model import GoNet

    c = getattr(recipe, which)()
    with torch.device("meta"):
        net = GoNet(c.board, n_planes, c.n_filters, c.n_blocks, c.dense, c.conv_bias, c.norm_momentum)
    assert count_parameters(net) == size


@pytest.mark.torch
def test_the_whole_loop_runs_and_resumes(tmp_path):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from mlassay.training.benchmark import Surroundings
    from mlassay.training.catalogue import recipe

    config = dataclasses.replace(
        small(), board=3, games_per_generation=4, readouts=4, steps_per_generation=3, global_batch_size=8,
        gating_games=2, eval_games=4, eval_readouts=4, n_filters=4, n_blocks=1,
    )  # fmt: skip

    def make():
        benchmark = recipe("minigo").make(config, "small", Surroundings(seed=1))
        benchmark.build()
        benchmark.load()
        return benchmark

    one = make()
    losses = [one.step().loss for _ in range(5)]
    assert 0.0 <= one.evaluate()["win_rate"] <= 1.0
    one.save(tmp_path / "state")
    two = make()
    two.restore(tmp_path / "state")
    assert two.step().loss == pytest.approx(one.step().loss, rel=1e-5)
    assert two.step().loss == pytest.approx(one.step().loss, rel=1e-5)  # across a generation: gated and played alike
    assert all(np.isfinite(losses))


@pytest.mark.torch
def test_move_prediction_counts_moves(tmp_path):
    pytest.importorskip("torch")
    from mlassay.training.benchmark import Surroundings
    from mlassay.training.catalogue import recipe

    (tmp_path / "a.sgf").write_text("(;GM[1]SZ[5];B[cc];W[dc];B[bb])")
    config = dataclasses.replace(small(), evaluation="moves", eval_readouts=8)
    benchmark = recipe("minigo").make(config, "small", Surroundings(seed=1, data=tmp_path))
    benchmark.build()
    assert benchmark.load().eval_samples == 3
    assert benchmark.evaluate()["move_prediction"] in (0.0, 1 / 3, 2 / 3, 1.0)


def by_match(tmp_path, **changes):
    """A 3x3 game judged as in v0.6: by a match against a fixed checkpoint."""
    pytest.importorskip("torch").set_num_threads(1)
    from mlassay.training.benchmark import Surroundings
    from mlassay.training.catalogue import recipe

    config = dataclasses.replace(
        small(), board=3, games_per_generation=4, readouts=4, steps_per_generation=3, global_batch_size=8,
        gating_games=2, eval_games=12, eval_readouts=8, n_filters=4, n_blocks=1, opponent="target.pth", **changes,
    )  # fmt: skip
    benchmark = recipe("minigo").make(config, "small", Surroundings(seed=1, data=tmp_path))
    benchmark.build()
    return benchmark


@pytest.mark.torch
def test_a_match_is_played_against_a_checkpoint(tmp_path):
    torch = pytest.importorskip("torch")
    rates = {}
    for name, favourite in (("passes", 9), ("plays", 4)):
        rival = by_match(tmp_path)
        with torch.no_grad():
            rival.net.policy_out.bias[favourite] = 50.0
        torch.save(rival.net.state_dict(), tmp_path / "target.pth")
        benchmark = by_match(tmp_path)
        assert benchmark.load().eval_samples == 12
        rates[name] = benchmark.evaluate()["win_rate"]
        assert rates[name] == benchmark.evaluate()["win_rate"], "an evaluation leaves a trace"
    assert rates["passes"] > rates["plays"]


@pytest.mark.torch
def test_a_run_ends_when_half_the_games_are_won(tmp_path):
    torch = pytest.importorskip("torch")
    rival = by_match(tmp_path, target=0.5)
    with torch.no_grad():
        rival.net.policy_out.bias[9] = 50.0  # it passes
    rival.load_data = lambda: (24, 12)
    rival.load()
    rival.save(tmp_path / "target.pth")  # a checkpoint of a run will do
    events = []
    outcome = train(by_match(tmp_path, target=0.5), clock=VirtualClock(0), emit=events.append)
    assert outcome.status is Status.SUCCESS
    assert outcome.evaluations[-1].quality["win_rate"] >= 0.5
    assert [e.value for e in events if e.key == "eval_samples"] == [12]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path, net, torch: None, "is absent; expected the fixed opponent's weights"),
        (lambda path, net, torch: path.write_bytes(b"PK torn"), "is not a readable state dictionary"),
        (
            lambda path, net, torch: torch.save(net.state_dict() | {"policy_out.bias": torch.zeros(82)}, path),
            r"policy_out\.bias is of shape \(82,\); expected shape \(10,\)",
        ),
    ],
)
def test_an_unusable_opponent_is_named(tmp_path, write, message):
    benchmark = by_match(tmp_path)
    write(tmp_path / "target.pth", benchmark.net, pytest.importorskip("torch"))
    with pytest.raises(BadFile, match=message):
        benchmark.load()


@pytest.mark.parametrize(("round_", "evaluation", "target"), [("v0.5", "moves", 0.4), ("v0.6", "match", 0.5)])
def test_each_round_judges_in_its_own_way(round_, evaluation, target):
    chosen = minigo()
    rule = rule_of(load_training_round(round_), chosen)
    config = as_in_round(chosen.profiles["reference"](), chosen, round_, rule, {})
    assert (config.evaluation, config.target) == (evaluation, target)
    assert as_in_round(config, chosen, round_, rule, {"evaluation": "moves"}).evaluation == config.evaluation
