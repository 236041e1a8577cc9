"""Pools of workers, and `finetune-trainer drive`: all runs of a plan, by one driver and its workers.

pool     workers, as a driver sees them: local_pool on this machine, ray_pool on a Ray cluster
worker   what happens inside a worker's process: one piece of work after another; runs (trials: see search)
queue    which run is next, and what becomes of one that ended badly    driver   queue and pool together
command  what the arguments mean    pod_runs  a Job's pod that does several runs at a time
"""
