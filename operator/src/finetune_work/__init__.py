"""What every program does between a spec and its runs: look at inputs, read tuned values, find or make the plan.

The operator, the command line, the page and the Python interface stand on it. It knows stores and objects of a
cluster, and neither kopf nor torch.
"""
