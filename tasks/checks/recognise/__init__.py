"""What a folder of users' files holds, and the cohort.toml that would describe it."""
