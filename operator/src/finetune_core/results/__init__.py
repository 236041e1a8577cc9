"""What runs and trials leave behind, what is best of it, and what is made from all of it."""
