"""A trained model asked about recordings, shown, and taken away."""
