"""Results for people and programs: figures, CSV, Markdown, LaTeX and HTML."""
