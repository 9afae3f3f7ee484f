"""Pages: reports as one HTML file each, made of the same tables and lines as their text."""
