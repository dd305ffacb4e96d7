"""One trial's way: planned, dealt its fold, fitted, scored, swept over, done again."""
