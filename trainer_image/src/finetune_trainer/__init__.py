"""What a training pod does: plan + index -> data -> train -> evaluate -> predict -> object store, result.json last.

cli      arguments, environment, exit code           inputs    model and data as local folders
data/    files -> rows -> tokens                     model/    the pretrained model and its tokenizer
run/     one run from start to result.json: Hugging Face's Trainer, evaluations, checkpoints, what is published
drive/   pools of workers: processes of the pod, or actors on a Ray cluster
search/  hyperparameter searches: trials are claimed in the store and done by a pool
"""
