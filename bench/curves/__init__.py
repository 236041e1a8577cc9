"""Learning curves that were recorded once, and searches replayed over them.

settings -> record -> curves.jsonl.gz -> recorded -> policies -> replay -> bench_replay
"""
