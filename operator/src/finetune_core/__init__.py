"""The pure core: what to run, what came out, what to do next.

No module here does I/O, reads a clock or imports kopf, torch, ray or minio: everything is a function from
values to values, so that every decision of the operator, the trainer and the report can be tested as a table.

    spec  ->  validate -> plan (runs, seeds, run ids)  ->  job plan (index -> runs)
    results (one per run)  ->  best run, aggregates, scores  ->  tables, submission
    observation of the world  ->  decide()  ->  actions + status
"""
