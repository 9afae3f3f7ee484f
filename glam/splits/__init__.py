"""The utterances that an experiment is about, what they belong to, and how a run divides them."""
