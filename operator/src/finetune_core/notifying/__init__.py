"""Notifications: what is worth telling, to whom it is still to be told, how it is written, where it may be sent."""
