"""What people see of objects and results: plain values and rows, made of JSON objects. Pure."""
