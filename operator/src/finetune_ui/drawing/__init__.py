"""Charts of the page, as plain values that plotly.js draws. Pure."""
