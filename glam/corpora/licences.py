"""Licences of the corpora: of those with a scheme as that has them, of the others as they are known here."""

from glam.corpora import scheme_of
from glam.corpora.made import MADE
from glam.errors import GlamError

IEMOCAP = (
    "for research alone, under a signed agreement with the University of Southern California (SAIL), which is also "
    "about what is derived from it; recordings may not be passed on"
)


def licence_of(name: str) -> str:
    """The licence of the corpus of that name; empty where it is not known, as of a table of the user's own.

    Sources of a scheme may disagree: then it names them.
    """
    if name == "iemocap":
        return IEMOCAP
    if name in MADE:
        return "made by this project, and as free as its code (MIT)"
    try:
        scheme = scheme_of(name)
    except GlamError:  # a scheme of the user's own that is not there any more: a report only reads what is stored
        return ""
    return scheme.licence if scheme is not None else ""
