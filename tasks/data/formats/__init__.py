"""Readers of files as users have them: one module per on-disk format."""
