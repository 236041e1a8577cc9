"""Manifests checked without a cluster, every problem at once and each with its line. Pure: text in, findings out.

text ──> yaml_nodes (values, places) ──> schema (the CRDs' own) ──> CEL (the CRDs' own rules) ──> core ──> findings
"""
