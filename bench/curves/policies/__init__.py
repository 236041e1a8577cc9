"""Policies: pure functions from what a search has seen to the trial that goes on."""
