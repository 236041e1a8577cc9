"""Results of an experiment: best runs, tables and the leaderboard zip, from what its runs left in the object store.

    gather (results, failures, weights kept) -> document (pure, in the core) -> predictions -> submission
        -> publish: results.json last -> verify -> retention

All that is written follows from what is read, without a clock: two processes over the same inputs write the same
bytes and cannot disturb each other. results.json is taken away first and written last, with the SHA-256 of every other
file; what another process has changed meanwhile is noticed, and the report is then not left looking complete.
"""
