"""What is asked of a user's files: what they are, whether they are whole, whether they leak."""
