"""Encoders: from a bag or a vector to one embedding."""
