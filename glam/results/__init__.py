"""Runs on disk. Nothing here imports torch, so that reports and lists start at once."""
