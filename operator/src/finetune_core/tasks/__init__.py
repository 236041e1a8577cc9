"""What a task is: GLUE's nine and AX, custom ones, their labels, metrics, recipes and data files."""
