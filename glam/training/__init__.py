"""From a recipe and a corpus to stored runs."""
