"""Commands about objects in a cluster: created, changed, watched, deleted."""
