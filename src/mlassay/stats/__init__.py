"""What numbers mean: percentiles, early stopping, how sure one can be. Pure functions over numpy arrays."""
