"""Kubernetes, as people at a terminal, in a notebook or before a web page need it."""
