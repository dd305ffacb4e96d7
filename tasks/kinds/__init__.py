"""The kinds of task: each fits its head on training patients and scores the test ones once."""
