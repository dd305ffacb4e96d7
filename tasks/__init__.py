"""The questions: cohorts, labels, splits, what is scored and how. Imports nothing else of ours."""
