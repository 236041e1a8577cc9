"""From a spec to its plan: arguments, settings, inputs, seeds, identity, and every problem on the way."""
