"""Where IEMOCAP lies on this machine. The environment variable IEMOCAP, where it is set, goes first."""

IEMOCAP = ""
"""The folder with Session1 ... Session5 in it, for instance "/data/IEMOCAP_full_release"."""
