"""Whether a cohort's data are whole, and what they are; `tasks.audit` asks whether they leak."""
