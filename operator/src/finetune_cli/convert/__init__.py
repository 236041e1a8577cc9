"""Other programs' descriptions of the same work, as manifests. Pure; what cannot be carried over is said."""
