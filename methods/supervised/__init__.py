"""References that are trained on the outcome itself; they are never ranked."""
