"""Cohorts: from files as users have them to patients, modalities, endpoints and folds."""
