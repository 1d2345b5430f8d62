"""Waiting: for a due time, for an answer of another thread, ahead of other programs."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from mlassay.loadgen import baton as handover
from mlassay.loadgen.baton import Baton
from mlassay.loadgen.waiting import first_in_line, idle_for, quick_handover, sleeper


def answered(baton: Baton, rounds: int, pause_s: float = 0.0) -> None:
    """Another thread answers `rounds` questions; every wait ends with its answer there."""
    asked, given = threading.Semaphore(0), [0]

    def answer() -> None:
        for number in range(1, rounds + 1):
            asked.acquire()
            if pause_s:
                time.sleep(pause_s)
            given[0] = number
            baton.wake()

    thread = threading.Thread(target=answer)
    thread.start()
    for number in range(1, rounds + 1):
        begin = time.perf_counter_ns()
        asked.release()
        baton.wait(lambda number=number: given[0] == number)  # type: ignore[misc]
        assert given[0] == number
        baton.learn(time.perf_counter_ns() - begin)
    thread.join(timeout=10)


def test_no_answer_is_lost_whichever_way_it_waits() -> None:
    answered(Baton(), 5 * handover.ROUND)


def test_slow_answers_are_waited_for_asleep() -> None:
    baton = Baton()
    answered(baton, 130, 1e-3)
    assert baton._guess_ns > handover.HANDOVER_SPIN_NS
    before = time.thread_time_ns()
    answered(baton, 20, 5e-3)
    assert time.thread_time_ns() - before < 20e6  # of the 100 ms that it took


def test_a_wake_before_the_wait_is_harmless() -> None:
    baton = Baton()
    baton.wake()
    baton.wake()
    baton.wait(lambda: True)
    answered(baton, 3)


def test_without_event_descriptors_a_pipe_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd", raising=False)
    answered(Baton(), 50)


def test_the_cheaper_way_is_kept_and_the_other_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: clock[0])
    baton = Baton()
    spun = []
    for _ in range(handover.ROUND * handover.RETRY * 2 + 1):
        spun.append(baton._spins)
        clock[0] += 30_000 if baton._spins else 10_000
        baton.learn(5_000)
    assert spun[: handover.ROUND] == [True] * handover.ROUND
    assert not any(spun[handover.ROUND + 1 : handover.ROUND * handover.RETRY])
    assert 2 * handover.ROUND <= sum(spun) <= 4 * handover.ROUND


def test_a_sleeper_is_never_early() -> None:
    for shared in (True, False):
        until = sleeper(1000.0, shared=shared)
        for ahead_ns in (0, 3_000, 50_000, 400_000, 2_000_000):
            due = time.perf_counter_ns() + ahead_ns
            moment = until(due)
            assert due <= moment <= time.perf_counter_ns()


def test_idling_takes_about_as_long_as_asked() -> None:
    idle_for(0)
    took = []
    for _ in range(50):
        begin = time.perf_counter_ns()
        idle_for(20_000)
        took.append(time.perf_counter_ns() - begin)
    assert 10_000 < min(took) < 60_000


def test_priorities_and_switch_interval_are_put_back() -> None:
    usual = sys.getswitchinterval()
    with quick_handover():
        assert sys.getswitchinterval() < usual
    assert sys.getswitchinterval() == usual
    if not hasattr(os, "sched_getscheduler"):
        pytest.skip("no scheduling classes on this system")
    before = os.sched_getscheduler(0)
    with first_in_line() as permitted:
        assert (os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO) == permitted
    assert os.sched_getscheduler(0) == before
