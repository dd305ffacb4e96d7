"""Whether a cohort's data are whole, and what they are; `leaks` beside asks whether they leak."""
