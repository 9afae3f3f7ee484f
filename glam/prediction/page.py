"""A local page for a trained model: record or drop a file, and see what the model hears in it over time. By Gradio."""

import os
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glam.errors import GlamError
from glam.prediction.model import Model, Prediction, Refused
from glam.prediction.origin import cautions, trained_on
from glam.prediction.over_time import over_time
from glam.reports.figures.page import COLUMN
from glam.words import counted, to_install

HERE = ("127.0.0.1", "localhost", "::1")
Shown = tuple[dict[str, float] | None, NDArray[np.uint8] | None, str]


def needs() -> None:
    """Raise GlamError where Gradio is not installed."""
    if find_spec("gradio") is None:
        raise GlamError(f"the page needs gradio, which is not installed: {to_install('page')}")


def answered(model: Model, path: str | None) -> Shown:
    """What the page shows of a recording: probabilities by class, the picture (H, W, 3) and a line of text."""
    if not path:
        return None, None, ""
    (answer,) = model.ask([Path(path)])
    name = Path(path).name
    if isinstance(answer, Refused):
        return None, None, f"**Nothing can be said of {_plain(name)}:** it {_plain(answer.reason)}"
    chances = dict(zip(answer.classes, answer.probabilities.tolist(), strict=True))
    segments = counted(len(answer.starts), "segment")
    text = f"**{_plain(answer.predicted)}**: {_plain(name)}, {answer.end:.1f} s, the mean of {segments}"
    if answer.heard < answer.end:
        text += f", heard up to {answer.heard:.1f} s"
    return chances, _pixels(answer), "\n\n".join([text, *cautions(model)])


def about(model: Model) -> str:
    """What the model is and was trained on, as Markdown."""
    recipe = model.recipe
    lines = [
        f"{recipe.model.title} on {', '.join(settings.title for settings in recipe.inputs.values())}, "
        f"{recipe.cut.title}; seed {model.saved.seed}, epoch {model.saved.epoch}",
        f"split in training: {recipe.split.title}",
        *trained_on(model),
        "what it says is the label that the corpus's raters would give, at best; it is no measurement of a person",
    ]
    return "\n".join(f"- {_plain(line)}" for line in lines)


def serve(model: Model, host: str, port: int | None) -> None:
    """Show the page until the process is interrupted. Raises GlamError where the address or port is not to be had.

    So it does for a model that takes more than the sound.
    """
    needs()
    model.saved.check_sound_alone(model.path)
    with TemporaryDirectory(prefix="glam-page-") as recordings:  # which nobody keeps
        os.environ["GRADIO_TEMP_DIR"] = recordings
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        page = made(model)
        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                footer_links=[],
                theme=_theme(),
            )
        except OSError as error:
            raise GlamError(f"--host {host} --port {port or 'any'}: the page cannot be shown there ({error})") from None
        try:
            print(f"{address} shows the page, until Ctrl-C", flush=True)
            Event().wait()
        finally:
            page.close(verbose=False)


def made(model: Model) -> Any:
    """The page as Gradio's blocks."""
    import gradio

    title = f"What {model.recipe.model.title} hears"
    with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=(600, 600)) as page:
        gradio.Markdown(f"# {title}")
        with gradio.Row():
            with gradio.Column():
                recording = gradio.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="Recording: drop a file, or record",
                    buttons=["download"],
                )
                text = gradio.Markdown()
                chances = gradio.Label(label="Probability of each class", num_top_classes=len(model.classes))
            with gradio.Column():
                gradio.Markdown("Over time")
                picture = gradio.Image(show_label=False, interactive=False, buttons=[])
        with gradio.Accordion("What the model was trained on", open=True):
            gradio.Markdown(about(model))
        recording.change(
            lambda path: answered(model, path), recording, [chances, picture, text], api_visibility="private"
        )
    return page


def _theme() -> Any:
    import gradio

    # Fonts of the reader's own: the page asks nothing of the net.
    return gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def _pixels(answer: Prediction) -> NDArray[np.uint8]:
    from matplotlib.image import imread

    content = BytesIO()
    over_time(answer, COLUMN).figure.savefig(content, format="png", dpi=300)
    content.seek(0)
    return (imread(content)[..., :3] * 255).round().astype(np.uint8)


def _plain(text: str) -> str:
    """The text with what Markdown or HTML would take for its own put out of action."""
    return "".join(f"&#{ord(letter)};" if letter in "<>&*_`[]#|\\" else letter for letter in text)
