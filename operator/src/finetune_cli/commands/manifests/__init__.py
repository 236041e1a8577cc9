"""Commands about manifests: written, converted, checked, planned."""
