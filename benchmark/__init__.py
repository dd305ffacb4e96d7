"""The referee: plans trials, runs them, records, compares, reports."""
