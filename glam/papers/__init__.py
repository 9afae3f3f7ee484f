"""The papers: their tables, and what they print."""
