"""The only client of Kubernetes, with its kinds, names, labels and paths. Nothing else imports `kubernetes`."""
