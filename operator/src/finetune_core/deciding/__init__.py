"""What to do next: what is observed, what is decided, and the status that says so."""
