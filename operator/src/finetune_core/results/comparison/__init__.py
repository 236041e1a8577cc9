"""Two experiments compared, by their means over seeds and row by row."""
