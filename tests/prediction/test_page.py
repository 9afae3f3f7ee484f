"""The page: what it shows of a recording, and of the model, also in a real browser where there is one."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prediction.conftest import Trained

from glam.cli.main import main
from glam.prediction import page as module
from glam.prediction.model import Prediction
from glam.prediction.notebook import predict
from glam.prediction.page import about, answered

SECONDS = 60  # that a page may take to be shown


def test_what_is_shown_of_a_recording(trained: Trained, tmp_path: Path) -> None:
    path = trained.held_out[0]
    chances, picture, text = answered(trained.model, str(path))
    answer = predict(trained.model, path)
    assert isinstance(answer, Prediction)
    assert chances == dict(zip(answer.classes, answer.probabilities.tolist(), strict=True))
    assert picture is not None
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10, "something is drawn"
    assert text.startswith(f"**{answer.predicted}**")
    assert answered(trained.model, None) == (None, None, "")
    odd = tmp_path / "<b>*x*.wav"
    odd.write_text("no sound")
    chances, picture, text = answered(trained.model, str(odd))
    assert (chances, picture) == (None, None)
    assert "&#60;b&#62;&#42;x&#42;.wav:** it is not readable as audio" in text


def test_a_model_of_made_up_sounds_says_so(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glam.prediction.origin.MADE", {"iemocap": ""})
    assert "SYNTHETIC CORPUS" in answered(trained.model, str(trained.held_out[0]))[2]
    assert "SYNTHETIC CORPUS" in about(trained.model)


def test_what_is_shown_of_the_model(trained: Trained) -> None:
    text = about(trained.model)
    assert "random splits of utterances" in text
    assert "improvised: 40 utterances" in text
    assert "licence of the corpus" in text


def test_mistakes(trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert main(["page", str(trained.run.folder)]) == 2
    assert "the page needs gradio, which is not installed: pip install 'glam-ser[page]'" in capsys.readouterr().err
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    assert main(["page", str(trained.run.folder), "--port", "0"]) == 2
    assert "--port 0: expected 1 to 65535" in capsys.readouterr().err
    assert main(["page", str(trained.run.folder), "--threads", "0"]) == 2
    assert "--threads 0: at least one is needed" in capsys.readouterr().err


def test_only_this_machine_sees_it_unless_it_is_said(
    trained: Trained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(module, "serve", lambda model, host, port: served.append(host))
    assert main(["page", str(trained.run.folder)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["page", str(trained.run.folder), "--host", "0.0.0.0"]) == 0
    assert "no password" in capsys.readouterr().err
    assert served == ["127.0.0.1", "0.0.0.0"]


@pytest.fixture
def shown(trained: Trained) -> Iterator[str]:
    """The address of a page."""
    pytest.importorskip("gradio")
    command = [sys.executable, "-m", "glam", "page", str(trained.run.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0]
    finally:
        process.terminate()
        assert process.wait(10) == 130
        process.stdout.close()


@pytest.mark.filterwarnings("ignore")  # of gradio's
@pytest.mark.parametrize("width", [1280, 390], ids=["desktop", "phone"])
def test_in_a_browser(trained: Trained, shown: str, width: int, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("needs chromium")
    assert re.match(r"http://127\.0\.0\.1:\d+/", shown)
    (tmp_path / "bad.wav").write_text("no sound")
    asked = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 850})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(shown)
        page.wait_for_selector("text=licence of the corpus", timeout=1000 * SECONDS)
        page.set_input_files("input[type=file]", trained.held_out[0])
        page.wait_for_selector("text=the mean of", timeout=1000 * SECONDS)
        page.wait_for_selector("img[src*='image']", timeout=1000 * SECONDS)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is to be scrolled sideways"
        page.screenshot(path=Path(os.environ.get("GLAM_SCREENSHOTS", tmp_path)) / f"page-{width}.png", full_page=True)
        page.click("button[aria-label='Clear']")
        page.set_input_files("input[type=file]", tmp_path / "bad.wav")
        page.wait_for_selector("text=Nothing can be said of bad.wav", timeout=1000 * SECONDS)
        browser.close()
    elsewhere = {url for url in asked if url.startswith("http") and not url.startswith(shown)}
    assert not elsewhere, "the page asks nothing of the net"


def test_a_taken_port_is_named(trained: Trained) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "glam", "page", str(trained.run.folder)]
        command += ["--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 2
    assert re.search(r"error: --host 127\.0\.0\.1 --port \d+: the page cannot be shown there", done.stderr)
