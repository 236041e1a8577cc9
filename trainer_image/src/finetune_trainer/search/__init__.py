"""The driver of a hyperparameter search: trials are claimed in the store, done by a pool, recorded there.

driver       one unit (task, cluster) after another: trials, finalists, the task's end
  trial_runner the trials of a task, or its finalists -> trial_queue, pool (finetune_trainer.drive), ledger
  trial_worker a trial in its worker's process -> lockstep -> the ordinary runs, one a seed
trial_store  what lies in the store: claims and results; leases: who of the drivers lives
trial_queue  which trial to take next; proposals, tpe: which configuration it gets
"""
