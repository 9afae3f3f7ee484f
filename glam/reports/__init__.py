"""What is said about stored runs: tables, in words and numbers. Nothing here imports torch."""
