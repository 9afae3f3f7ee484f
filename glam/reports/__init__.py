"""Reports on stored runs: tables, in words and numbers. Nothing here imports torch at once."""
