"""Status: what is sent of it, when it is final, which events tell of its changes."""
