"""`finetune-trainer drive`: all runs of a plan, by one driver and its workers.

queue    which run is next, and what becomes of one that ended badly    driver   queue and pool together
worker   a process that does one run after another                      pool     workers, as a driver sees them:
ray_pool on a Ray cluster   local_pool on this machine                  command  what the arguments mean
"""
