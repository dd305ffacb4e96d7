"""Numbers only: from recorded scores to standings, ranks, tests and what is missing."""
