"""Submissions: described, packed and checked, for every round, without any runtime."""
