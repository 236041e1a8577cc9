"""The pretrained model and its tokenizer: loaded whole, fit for data and settings."""
