"""The main job for real: on a cluster, and without one."""
