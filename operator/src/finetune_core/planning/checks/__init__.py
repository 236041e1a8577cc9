"""What can be wrong with parts that experiments and searches share: execution, tasks, training arguments."""
