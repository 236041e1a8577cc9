"""The driver of a hyperparameter search: trials are claimed in the store, run by Ray Tune, and recorded there.

driver     one unit (task, cluster) after another: trials, finalists, the task's end
  tuning   one Tuner over the trials of a task, or over its finalists
    searcher   what Tune asks for trials and tells results -> claimant, board, ledger
    schedulers FIFO, ASHA, median stopping; fed with what other drivers' trials reported
    trainable  a trial in its worker process -> lockstep -> the ordinary runs, one a seed
board      what lies in the store: claims and results; leases: who of the drivers lives
claimant   which trial to take next; proposals, tpe: which configuration it gets
"""
