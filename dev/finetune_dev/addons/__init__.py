"""The controllers of others that the local cluster can have, and how one is installed."""
