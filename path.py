"""Where IEMOCAP and files beside it lie on this machine. Environment variables of these names, where set, go first."""

IEMOCAP = ""
"""The folder with Session1 ... Session5 in it, for instance "/data/IEMOCAP_full_release"."""

GLOVE = ""
"""Word vectors for recipes with words, such as glove.840B.300d.txt."""

ASR = ""
"""Transcripts of a speech recogniser, a CSV file with the columns utterance and text."""

XVECTORS = ""
"""Embeddings by utterance, for recipes with speaker vectors: .npz, .npy, .csv or Kaldi's text .ark."""
