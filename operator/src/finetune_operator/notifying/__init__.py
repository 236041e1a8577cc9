"""Notifications on their way: from the status to the receivers, beside the looks and never in their way."""
