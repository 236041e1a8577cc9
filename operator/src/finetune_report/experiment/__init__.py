"""Plots and page of an experiment's report."""
