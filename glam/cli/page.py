"""The verb `glam page`: a local page on which a trained model is asked."""

import argparse
from collections.abc import Sequence

from glam.cli.flags import add_flags
from glam.cli.guard import guarded
from glam.cli.predict import opened
from glam.errors import GlamError
from glam.progress import say
from glam.words import to_install


def page(argv: Sequence[str] | None = None) -> int:
    """Show a page in the browser on which a trained model is asked about recordings."""
    parser = argparse.ArgumentParser(
        prog="glam page",
        description="Show a page in the browser: record or drop a file, and see the emotion over time, the probability "
        "of each class, and what the model was trained on. Only this machine can see it, and nothing is sent "
        f"anywhere. Needs Gradio: {to_install('page')}.",
    )
    add = parser.add_argument
    add_flags(parser, "model")
    add("--port", type=int, metavar="N", help="of the page (7860, or the next free one)")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="where to be seen: 0.0.0.0 is by everybody (127.0.0.1)")
    add_flags(parser, "code", "threads", "runs-folder")
    add_flags(parser, "gpu", default=-1, help="number of the GPU, -1 = CPU, whose digits are training's (-1)")
    return guarded(lambda: _page(parser.parse_args(argv)), "the page is closed")


def _page(args: argparse.Namespace) -> None:
    from glam.prediction.page import HERE, needs, serve

    needs()
    if args.port is not None and not 1 <= args.port < 2**16:
        raise GlamError(f"--port {args.port}: expected 1 to {2**16 - 1}")
    if args.host not in HERE:
        say(f"--host {args.host}: whoever reaches this machine can use the page; it has no password, and no encryption")
    serve(opened(args), args.host, args.port)
