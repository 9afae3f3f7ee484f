"""Arrays in, numbers out: what predictions are worth (`metrics`), what runs say together (`statistics`), how the
class moves within an utterance (`segments`), whether confidence is accuracy (`calibration`).

Nothing here reads a file, knows a corpus or imports torch, and SciPy is imported only where it is called,
so that a report on stored runs starts at once. Every score, share and interval of scores is in percent;
the Brier score alone is no share.
"""
