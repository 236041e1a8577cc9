"""Experiments and searches on this machine, without a cluster: the same planner, trainer, rules and layout.

inputs   models and data as they can be looked at from here      planning   from a manifest to its plan
lock     one command at a time for one experiment                programs   the trainer and the report as processes
watching what the runs leave in the store, for the live table
"""
