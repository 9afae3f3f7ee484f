"""Data: from a corpus on disk to segments and features, all that runs with different seeds share."""
