"""Inputs of models: what a model sees of an utterance, and how it is kept on disk."""
