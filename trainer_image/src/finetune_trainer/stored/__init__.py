"""What a run has in the store: checkpoints, weights, results, and copies of other experiments' runs."""
