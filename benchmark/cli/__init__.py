"""What a user types: one module a command, and nothing that another floor needs."""
