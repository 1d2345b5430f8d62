"""For people who add a backend or a task, and for our own tests: conformance checks and scripted fakes."""

from mlassay.core.clock import VirtualClock
from mlassay.testing.scripted import NumberLibrary, ScriptedSUT
from mlassay.testing.sut_check import SutContractBroken, check_sut

__all__ = ["NumberLibrary", "ScriptedSUT", "SutContractBroken", "VirtualClock", "check_sut"]
