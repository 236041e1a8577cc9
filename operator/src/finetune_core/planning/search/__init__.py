"""From a search's spec to its plan, and every problem on the way."""
