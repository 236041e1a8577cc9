"""The commands, one module a group. Each has `register(app)`, which adds its commands to the program."""
