"""Runs in processes: from a recipe and a corpus to folders of finished runs."""
