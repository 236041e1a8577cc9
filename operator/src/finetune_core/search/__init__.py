"""Hyperparameter search: spaces, plans, trials and what is exported; pure like everything in `finetune_core`."""
