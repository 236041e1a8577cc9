"""Objects in a bucket of an S3 server; the only place that knows minio."""
