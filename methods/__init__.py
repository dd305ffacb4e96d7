"""The answers: MIRROR, its ablations and every baseline. Imports `tasks` only."""
