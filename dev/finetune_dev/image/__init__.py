"""Images built without Docker: what there is to build, by buildah, into OCI archives."""
