"""Commands about results: tables, comparisons, plots, files."""
