"""The command line: one module a verb, or a few that belong together. main.py knows them all."""
