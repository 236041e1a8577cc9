"""A world in virtual time: Jobs, pods, a store and an operator that looks, with whatever may go wrong in between.

    world = ExperimentWorld(random.Random(seed))   # or SearchWorld
    world.live(faults)        # events and faults in random order
    world.settle()            # no more faults: it must come to rest
    world.check()             # nobody's opinion but the world's own

The operator's own observers and decisions are what is tried, and of a search also its drivers, as the pods run them:
claims, leases, trials, finalists. Only their workers, which train, are played.
"""
