"""Nystrom attention, in the published function and in fewer operations."""
