"""What to do next about a search."""
