"""The children of an experiment or a search: found, created, replaced, deleted."""
