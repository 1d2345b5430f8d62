"""The one place where a run is composed: rules, task or benchmark, loop, records."""
