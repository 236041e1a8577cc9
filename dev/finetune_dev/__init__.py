"""The local cluster that the demo and the end-to-end tests run on: `python -m finetune_dev --help`."""
