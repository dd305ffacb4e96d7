"""What leaks: in split files, cohorts and tables."""
