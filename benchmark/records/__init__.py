"""The ground: what a results folder holds, and the only code that reads or writes it."""
