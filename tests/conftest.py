"""What every test shares: properties are judged by their answers, not by the time they take on a busy machine."""

import signal

import pytest
from hypothesis import settings

settings.register_profile("mlassay", deadline=None)
settings.load_profile("mlassay")


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard() -> None:
    """Programs that were started in the background ignore SIGINT, and so would every program that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
