"""One run: data, training, evaluation, predictions, and what is published of it."""
