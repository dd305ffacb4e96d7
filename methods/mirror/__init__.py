"""MIRROR: its network, its ablations, and the published weights."""
