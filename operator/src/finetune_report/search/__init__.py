"""Report of a hyperparameter search: what it hands on, tables, plots, the page; from what its drivers left.

    gather (plan, ends, trials) -> digest as ordered? -> summary (pure, in the core) -> plots -> page
        -> publish: files, the namespace's table of best hyperparameters, summary.json last

Only `finetune_report.search.build`, and what it imports, need matplotlib, optuna and jinja2; the operator's image has
none of them.
"""
