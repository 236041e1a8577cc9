"""A world in virtual time: Jobs, pods, a store and an operator that looks, with whatever may go wrong in between.

    world = World(random.Random(seed))
    world.live(faults)        # events and faults in random order
    world.settle()            # no more faults: it must come to rest
    world.check()             # nobody's opinion but the world's own

The operator's own observer and its decisions are what is tried; nothing of them is played here.
"""
