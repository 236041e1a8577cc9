"""The training arguments: one table (`table`), and what a table and its values are."""
