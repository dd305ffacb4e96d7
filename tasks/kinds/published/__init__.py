"""The published downstream evaluation re-enacted, each departure from an honest one a switch."""
