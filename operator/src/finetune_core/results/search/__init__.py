"""What the trials of a search leave behind, the best of them, and what the search hands on."""
