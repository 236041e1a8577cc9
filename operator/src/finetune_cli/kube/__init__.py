"""Kubernetes, as the command line needs it."""
