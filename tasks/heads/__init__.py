"""Heads: small supervised models fitted on frozen embeddings of training patients."""
