"""Arrays in, numbers out.

Of predictions: scores (`metrics`), how the class moves within an utterance (`segments`), whether confidence is accuracy
(`calibration`), what needs no model (`baselines`).
Of runs together: summaries and tests (`statistics`), what they could have shown (`power`), whether two scores are the
same (`equivalence`), how probable it is that one is better (`bayes`), what choosing among them adds (`selection`),
whether the split or the training makes the spread (`variance`); `spread` is what they stand on.
Of utterances, each counting once however many runs test it (`utterances`): intervals from counts and over speakers
(`intervals`), scores by group (`groups`), two predictions side by side (`paired`), the raters' votes (`raters`).

A figure that the data do not give is `unknown.Unknown`, with the reason, everywhere.
Nothing here reads a file, knows a corpus or imports torch, and SciPy is imported only where it is called,
so that a report on stored runs starts at once. Every score, share and interval of scores is in percent;
distributions over classes sum to 1, and the Brier score is no share.
"""
