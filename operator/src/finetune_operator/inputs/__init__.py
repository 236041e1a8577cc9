"""What a plan is made from: inputs that are looked at, pinned and planned with."""
