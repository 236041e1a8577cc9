"""What is done for each kind of ours: an experiment, a search."""
