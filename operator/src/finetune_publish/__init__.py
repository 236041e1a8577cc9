"""Models that leave the store: packed with card and provenance, pushed to places, fetched and checked again.

The only package that knows the hub's client, registries of images, MLflow, and signatures.
"""
