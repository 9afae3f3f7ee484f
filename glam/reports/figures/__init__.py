"""Figures of stored runs, a file each: first the numbers that it shows, then how it is drawn."""
