"""GLUE's leaderboard: its files, its zip, and the checks of both."""
