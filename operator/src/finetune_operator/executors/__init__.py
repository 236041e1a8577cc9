"""What does units of work: one kind of Kubernetes objects each."""
