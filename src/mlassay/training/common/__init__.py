"""What several training benchmarks share: the torch engine, orders, schedules, optimisers, metrics, file readers."""
