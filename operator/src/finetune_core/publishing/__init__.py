"""A model that leaves: its provenance, its card, how it is served, and what is checked of all that."""
