"""Closed sets of the field's words. The values are what files and the command line say."""

from __future__ import annotations

from enum import StrEnum


class Scenario(StrEnum):
    """How load arrives (inference rules, chapter "Scenarios")."""

    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    SERVER = "server"
    OFFLINE = "offline"
    INTERACTIVE = "interactive"

    @property
    def official_name(self) -> str:
        """The spelling in official logs and folder names. Interactive is a Server run with token bounds."""
        return {
            "single-stream": "SingleStream",
            "multi-stream": "MultiStream",
            "server": "Server",
            "offline": "Offline",
            "interactive": "Interactive",
        }[self.value]

    @property
    def loadgen_name(self) -> str:
        """The spelling in LoadGen settings, where Interactive is run as Server."""
        return "Server" if self is Scenario.INTERACTIVE else self.official_name

    @classmethod
    def parse(cls, text: str) -> Scenario:
        """Any usual spelling: 'SingleStream', 'single-stream', 'singlestream', 'SINGLE_STREAM'.

        Raises ValueError naming the known spellings.
        """
        flat = text.replace("-", "").replace("_", "").lower()
        for member in cls:
            if member.value.replace("-", "") == flat:
                return member
        raise ValueError(f"unknown scenario {text!r}; known: {', '.join(m.value for m in cls)}")


class Mode(StrEnum):
    """What a run is for."""

    PERFORMANCE = "performance"
    ACCURACY = "accuracy"
    SUBMISSION = "submission"
    FIND_PEAK = "find-peak"


class Division(StrEnum):
    """Closed: equivalent to the reference, comparable. Open: free, but documented. Network: closed over a network."""

    CLOSED = "closed"
    OPEN = "open"
    NETWORK = "network"


class Suite(StrEnum):
    """Which system type a result is entered under (since v0.7)."""

    DATACENTER = "datacenter"
    EDGE = "edge"


class Category(StrEnum):
    """Availability of the system under test."""

    AVAILABLE = "available"
    PREVIEW = "preview"
    RDI = "rdi"


class SampleOrder(StrEnum):
    """Which samples a performance run asks for."""

    RANDOM = "random"  # with replacement, the rule
    UNIQUE = "unique"  # each loaded sample at most once (TEST04-A)
    SAME = "same"  # always the same one (TEST04-B)
    EQUAL_ISSUE = "equal-issue"  # whole permutations of the loaded set, one after the other
