"""What a training pod does: plan + index -> data -> train -> evaluate -> predict -> object store, result.json last.

cli      arguments, environment, exit code          session   the runs of a pod, one after another
inputs   model and data to local folders            data/     files -> rows -> tokens
search/  hyperparameter searches, by Ray Tune        drive/    an experiment's runs on a Ray cluster
run      one run from start to result.json          training  Hugging Face's Trainer and its callbacks
checkpoints, progress, publish: what a run leaves in the store while it lives and when it ends
"""
