"""What the importer notices while it reads: one id per kind of oddity, so that they can be counted and explained."""

from __future__ import annotations

TEXT = "READ001"
LINE = "READ002"
SYSTEM = "READ003"
RENAMED = "READ004"
ACCURACY = "READ005"
LOG = "READ006"
LOGGED_ERRORS = "READ007"
METADATA = "READ008"
ENTRY_ABSENT = "READ009"
STRAY = "READ010"
CHIPS = "READ011"
CONTAINER = "READ012"
SHORT = "READ013"

MEANINGS = {
    TEXT: "a text file with NUL bytes, foreign line ends or another encoding; it was read all the same",
    LINE: "a line of a log that could not be understood; the rest was read",
    SYSTEM: "a system description that is absent or cannot be read",
    RENAMED: "a directory, benchmark or system spelled otherwise than its counterpart; matched by likeness",
    ACCURACY: "accuracy that is absent or cannot be read",
    LOG: "a run whose log is absent or cannot be read",
    LOGGED_ERRORS: "ERROR lines in the log of a run that was accepted",
    METADATA: "metadata that is missing, given twice, misspelled, or contradicts another place",
    ENTRY_ABSENT: "a published entry that this copy of the repository holds no logs of",
    STRAY: "a file where none belongs; it was left out",
    CHIPS: "a chip count that is not what the system description says, and why",
    CONTAINER: "something about the archive or directory itself",
    SHORT: "fewer or more runs than the round's rules want",
}
"""Every id with what it stands for."""
