"""What to do next about an experiment."""
