"""When to send what to a system under test, and what came back: schedule, drive, judge."""
