"""The checks, one family per module. A check is a small function with an id, a reason and an example beside it."""
