"""`finetune-trainer drive`: all runs of a plan on a Ray cluster, by one driver.

queue     which run is next, and what becomes of one that ended badly   pool      workers on the cluster
worker    a process that does one run after another                      driver    queue and pool together
"""
