"""The timed loop on a virtual clock: what is on the clock, what is logged, how a run ends."""

from __future__ import annotations

import math

import pytest

from mlassay.core.clock import VirtualClock
from mlassay.training.benchmark import Schedule, Target
from mlassay.training.loop import LoopSettings, Position, Status, train
from tests.training.scripted import S, Scripted


def run(benchmark: Scripted, **kw):
    events = []
    outcome = train(benchmark, clock=benchmark.clock, emit=events.append, **kw)
    return outcome, events


def first(events, key):
    return next(e for e in events if e.key == key)


def test_the_clock_covers_loading_training_and_evaluation_but_not_building():
    outcome, events = run(Scripted(VirtualClock(0)))
    assert (outcome.status, outcome.steps, outcome.epochs, outcome.samples) == (Status.SUCCESS, 12, 3.0, 120)
    assert outcome.init_ns == 3 * S
    assert outcome.duration_ns == (2 + 12 + 3 * 5) * S
    assert outcome.evaluating_ns == 15 * S
    assert first(events, "run_start").time_ns == 3 * S
    assert first(events, "run_stop").time_ns == 32 * S
    assert outcome.reason == "target met: accuracy 0.9 (target >= 0.9)"


def test_events_come_in_the_order_the_rules_want():
    _, events = run(Scripted(VirtualClock(0), qualities=[0.9]))
    assert [e.key for e in events] == [
        "init_start",
        "init_stop",
        "run_start",
        "train_samples",
        "eval_samples",
        "block_start",
        "epoch_start",
        "epoch_stop",
        "block_stop",
        "eval_start",
        "eval_accuracy",
        "eval_stop",
        "run_stop",
    ]
    assert first(events, "block_start").metadata == {"first_epoch_num": 1, "epoch_count": 1}
    assert first(events, "eval_accuracy").metadata == {"epoch_num": 1}
    assert first(events, "run_stop").metadata["status"] == "success"
    assert [e.time_ns for e in events] == sorted(e.time_ns for e in events)


def test_building_beyond_the_allowance_is_on_the_clock():
    outcome, events = run(Scripted(VirtualClock(0)), settings=LoopSettings(init_allowance_ns=1 * S))
    assert outcome.init_ns == 1 * S
    assert first(events, "run_start").time_ns == 1 * S
    assert outcome.duration_ns == (2 + 2 + 12 + 15) * S


def test_v05_counts_building():
    outcome, _events = run(Scripted(VirtualClock(0)), settings=LoopSettings(clock_starts_before_build=True))
    assert outcome.init_ns == 0
    assert outcome.duration_ns == (3 + 2 + 12 + 15) * S


def test_evaluation_inside_an_epoch_uses_fractions_and_no_epoch_events():
    schedule = Schedule(train_samples=40, eval_samples=7, steps_per_epoch=4, max_steps=8, eval_every_steps=3)
    outcome, events = run(Scripted(VirtualClock(0), qualities=[0.0, 0.9], schedule=schedule))
    assert [e.metadata["epoch_num"] for e in events if e.key == "eval_accuracy"] == [0.75, 1.5]
    assert outcome.epochs == 1.5


def test_rounds_that_count_samples_log_samples():
    _, events = run(Scripted(VirtualClock(0), progress_in_samples=True))
    assert [e.metadata for e in events if e.key == "eval_accuracy"] == [
        {"samples_count": 40},
        {"samples_count": 80},
        {"samples_count": 120},
    ]
    assert not any(e.key == "epoch_start" for e in events)


def test_two_targets_must_both_hold():
    targets = (Target("bbox", 0.3), Target("segm", 0.9))
    outcome, events = run(Scripted(VirtualClock(0), targets=targets))
    assert outcome.status is Status.SUCCESS
    assert first(events, "eval_accuracy").value == {"BBOX": 0.1, "SEGM": 0.1}
    assert len(outcome.evaluations) == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"losses": {3: math.nan}}, "the loss is nan at step 3"),
        ({"losses": {5: math.inf}}, "the loss is inf at step 5"),
        ({"qualities": [0.1]}, "budget of 40 steps spent: accuracy 0.1 (target >= 0.9)"),
        ({"qualities": [math.nan]}, "budget of 40 steps spent: accuracy nan (target >= 0.9)"),
        ({"raise_at": {"step2": KeyboardInterrupt()}}, "interrupted"),
    ],
)
def test_a_run_that_cannot_succeed_is_aborted_with_its_reason(changes, reason):
    outcome, events = run(Scripted(VirtualClock(0), **changes))
    assert (outcome.status, outcome.reason) == (Status.ABORTED, reason)
    assert events[-1].key == "run_stop"
    assert events[-1].metadata["status"] == "aborted"
    assert events[-1].metadata["reason"] == reason


@pytest.mark.parametrize(
    ("limit_s", "reason", "steps", "evaluations"),
    [
        (3, "time limit spent: no evaluation yet", 1, 0),
        (11, "time limit spent: accuracy 0.1 (target >= 0.9)", 4, 1),
        (12, "time limit spent: accuracy 0.1 (target >= 0.9)", 5, 1),
    ],
)
def test_the_users_time_limit_ends_the_run_at_the_next_step(limit_s, reason, steps, evaluations):
    outcome, _ = run(Scripted(VirtualClock(0), qualities=[0.1]), settings=LoopSettings(max_duration_ns=limit_s * S))
    assert outcome.status is Status.ABORTED
    assert (outcome.reason, outcome.steps, len(outcome.evaluations)) == (reason, steps, evaluations)


@pytest.mark.parametrize("where", ["build", "load", "step7", "eval2"])
def test_an_error_leaves_an_aborted_log_and_is_raised(where):
    benchmark = Scripted(VirtualClock(0), raise_at={where: ValueError("train.gz is 3 bytes; expected 5")})
    events = []
    with pytest.raises(ValueError, match="expected 5"):
        train(benchmark, clock=benchmark.clock, emit=events.append)
    assert [e.key for e in events][-1] == "run_stop"
    assert events[-1].metadata["status"] == "aborted"
    assert events[-1].metadata["reason"] == "ValueError: train.gz is 3 bytes; expected 5"


def test_a_quality_of_the_wrong_type_is_named():
    benchmark = Scripted(VirtualClock(0))
    benchmark.qualities = ["high"]
    with pytest.raises(TypeError, match="evaluation gave 'high' for accuracy; expected a number"):
        run(benchmark)


def test_checkpoints_are_taken_after_evaluations_when_due():
    saved = []
    run(
        Scripted(VirtualClock(0), qualities=[0.1]),
        settings=LoopSettings(checkpoint_every_ns=12 * S),
        save_checkpoint=saved.append,
    )
    assert [p.step for p in saved] == [8, 16, 24, 32, 40]


def test_checkpoints_and_the_time_limit_follow_the_first_process():
    """Clocks of several processes differ; what one decides by its own must hold in all."""
    saved, asked = [], []

    def agree(mine):
        asked.append(mine)
        return len(asked) % 10 == 0  # three steps of a block, its evaluation, the checkpoint; each second block

    outcome, _ = run(
        Scripted(VirtualClock(0), qualities=[0.1]),
        settings=LoopSettings(checkpoint_every_ns=10**18, max_duration_ns=10**18),
        save_checkpoint=saved.append,
        agree=agree,
    )
    assert [p.step for p in saved] == [8, 16, 24, 32, 40]
    assert not any(asked)
    outcome, _ = run(
        Scripted(VirtualClock(0), qualities=[0.1]), settings=LoopSettings(max_duration_ns=10**18), agree=lambda _: True
    )
    assert outcome.reason.startswith("time limit spent")


def test_a_resumed_run_keeps_its_first_start_and_says_so(tmp_path):
    saved: list[Position] = []
    before = Scripted(VirtualClock(0), raise_at={"step9": RuntimeError("power cut")})

    def keep(position):
        before.save(tmp_path / "state")
        saved.append(position)

    with pytest.raises(RuntimeError):
        run(before, settings=LoopSettings(checkpoint_every_ns=0), save_checkpoint=keep)
    after = Scripted(VirtualClock(1000 * S))
    after.restore(tmp_path / "state")
    outcome, events = run(after, resume_from=saved[-1])
    assert outcome.resumed
    assert (outcome.steps, len(outcome.evaluations)) == (12, 3)
    assert first(events, "resumed").metadata == {"step_num": 8, "samples_count": 80}
    assert not any(e.key in ("run_start", "init_start") for e in events)
    assert outcome.duration_ns == 1000 * S + (3 + 2 + 4 + 5) * S - 3 * S


def test_progress_tells_rate_loss_quality_and_time_left():
    seen = []
    run(Scripted(VirtualClock(0)), progress=seen.append)
    assert (seen[0].samples_per_second, seen[0].loss, dict(seen[0].quality)) == (10.0, 1.0, {})
    assert seen[-1].quality == {"accuracy": 0.5}
    assert seen[3].budget_left_ns == round((2 + 4) / 4 * 36 * S)


@pytest.mark.parametrize(("step", "due"), [(0, 5), (4, 5), (5, 8), (8, 11), (11, 12)])
def test_the_next_evaluation(step, due):
    schedule = Schedule(
        train_samples=1, eval_samples=1, steps_per_epoch=2, max_steps=12, eval_every_steps=3, first_eval_step=5
    )
    assert schedule.next_evaluation(step) == due


def test_a_schedule_without_steps_is_refused():
    with pytest.raises(ValueError, match="max_steps is 0; expected at least 1"):
        Schedule(train_samples=1, eval_samples=1, steps_per_epoch=1, max_steps=0, eval_every_steps=1)


def test_a_float32_target_counts_as_met():
    assert Target("bleu", 21.8).met({"bleu": 21.799999237})
    assert not Target("bleu", 21.8).met({"bleu": 21.7999})
    assert Target("loss", 2.69, higher_is_better=False).met({"loss": 2.5})
    assert not Target("loss", 2.69, higher_is_better=False).met({"loss": math.nan})
