"""Packed stores: the bags of a cohort end to end in one HDF5 file, read out of core."""
