"""Open data from their publishers' servers -> ready cohorts, trusted only by their hashes."""
