"""What a model says of a dev or test set, and what that is worth: logits, metrics, prediction files."""
