"""A page as a file: it needs nothing else, nothing in it is obeyed, and it can be read by everybody."""

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from reports.page.pages import HOSTILE, Seen, experiment, page_of

from glam.reports.grid import Table
from glam.reports.page import document
from glam.reports.page.document import Page, Section, html, numeric, warning, write

STYLE = (Path(document.__file__).parent / "style.css").read_text()
SCRIPT = "<script>x</script>"
AA = 4.5  # WCAG 2.2, success criterion 1.4.3
BESIDE = {
    "--text": ("--ground", "--raised"),
    "--quiet": ("--ground", "--raised"),
    "--link": ("--ground", "--raised"),
    "--warning": ("--warning-ground",),
    "--ground": ("--link",),  # the pressed button
}


def test_it_needs_nothing_else(tmp_path: Path) -> None:
    text = page_of(experiment(tmp_path / "a"))
    seen = Seen(text)
    assert seen.all_of("html") == [{"lang": "en"}]
    sources = [attributes[name] for _, attributes in seen.tags for name in ("src", "href") if name in attributes]
    assert all(source and source.startswith(("data:image/svg+xml;base64,", "#")) for source in sources)
    assert not seen.all_of("link")
    assert "@import" not in text
    assert "url(" not in text


def test_only_its_own_script_may_run(tmp_path: Path) -> None:
    text = page_of(experiment(tmp_path / "a"))
    script = text.partition("<script>")[2].partition("</script>")[0]
    (policy,) = [a["content"] for a in Seen(text).all_of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy


def test_nothing_of_stored_files_is_obeyed(tmp_path: Path) -> None:
    harmless = Seen(page_of(experiment(tmp_path / "a", classes=("a", "b"), name="mine")))
    stored = experiment(tmp_path / "b<i>", classes=(SCRIPT, "b"), speakers=HOSTILE, name=HOSTILE)
    seen = Seen(page_of(stored, problems=[HOSTILE, "x.json: <b>damaged</b>"]))
    assert {name for name, _ in seen.tags} == {name for name, _ in harmless.tags}
    assert not [a for _, a in seen.tags if any(name.startswith("on") for name in a)]
    assert len(seen.all_of("script")) == 1
    shown = "".join(seen.text)
    assert HOSTILE in shown
    assert SCRIPT in shown
    assert "49" not in "".join(text for text in seen.text if "7 * 7" in text)
    alt = seen.all_of("img")[0]["alt"]
    assert alt is not None
    assert f"as {SCRIPT}" in alt


def test_figures_are_sound_and_say_what_they_show(tmp_path: Path) -> None:
    seen = Seen(page_of(experiment(tmp_path / "a", classes=("$x", "<b>$\\frac{", "c"))))
    figures = seen.all_of("img")
    assert len(figures) == 3
    for figure, kind in zip(figures, ("Confusion matrix", "Learning curves", "Reliability"), strict=True):
        source, alt = figure["src"], figure["alt"]
        assert source is not None
        assert alt is not None
        assert alt.startswith(kind)
        assert re.search(r"\d+\.\d", alt), "numbers, not only what it is"
        picture = ElementTree.fromstring(b64decode(source.partition(",")[2]))
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"
        written = "".join(picture.itertext())
        assert kind != "Confusion matrix" or "<b>$\\frac{" in written, "letters stay letters"


def test_headings_are_in_order_and_every_table_has_a_name(tmp_path: Path) -> None:
    for stored in (
        [experiment(tmp_path / "a")],
        [experiment(tmp_path / "b"), experiment(tmp_path / "c", model="mhcnn")],
    ):
        seen = Seen(page_of(*stored))
        levels = [int(name[1]) for name, _ in seen.tags if re.fullmatch("h[1-6]", name)]
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        identifiers = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
        assert len(set(identifiers)) == len(identifiers)
        targets = {a["href"] for a in seen.all_of("a")}
        assert targets <= {f"#{identifier}" for identifier in identifiers}
        assert len(seen.all_of("caption")) == len(seen.all_of("table"))
        assert all(a.get("scope") in ("col", "row") for a in seen.all_of("th"))
        assert all(cell for table in seen.tables for row in table for cell in row[:1])


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_contrast_of_known_colours() -> None:
    assert luminance("#ffffff") == pytest.approx(1)
    assert luminance("#000000") == 0
    assert 1.05 / (luminance("#767676") + 0.05) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_letters_stand_out_from_their_ground(dark: bool) -> None:
    light, _, rest = STYLE.partition("@media screen and (prefers-color-scheme: dark)")
    known = colours(rest.partition("\n}\n")[0] if dark else light)
    assert set(BESIDE) | {ground for grounds in BESIDE.values() for ground in grounds} <= set(known)
    for letters, grounds in BESIDE.items():
        for ground in grounds:
            low, high = sorted(luminance(known[name]) for name in (letters, ground))
            assert (high + 0.05) / (low + 0.05) >= AA, f"{letters} on {ground}"


def test_every_colour_is_one_of_those_tested() -> None:
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", re.sub(r"--[\w-]+: #[0-9a-f]{6};", "", STYLE))) == set()
    assert set(re.findall(r"[^-]color: var\((--[\w-]+)\)", STYLE)) <= set(BESIDE)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["84.21 ± 3.72", "+1.00 to +2.00"], True),
        (["-", "< 0.0001", ""], True),
        (["(87.20)", "-4.23†"], True),
        (["50 neu, 58 sad", "9 a, b"], False),
        (["12", "seed 3"], False),
        (["", ""], False),
    ],
)
def test_columns_of_numbers(cells: list[str], expected: bool) -> None:
    assert numeric(Table(["", "x"], [["row", cell] for cell in cells])) == [False, expected]
    assert numeric(Table(["a", "b"], [])) == [False, False]


@pytest.mark.parametrize(
    ("line", "warns"),
    [
        ("SYNTHETIC CORPUS: made by this project.", True),
        ("FAILED, not averaged: 1 run; seed 3: the loss is nan", True),
        ("NO SEED HAS ALL ITS FOLDS: the figures are of the folds that are there", True),
        ("CHANGED for all rows: training.epochs=1", True),
        ("LEFT OUT: a copy", True),
        ("WA: of the reference", False),
        ("AACNN has its authors' attention: rows", False),
        ("UA and F1 are not given fold by fold", False),
        ("runs: 5", False),
    ],
)
def test_lines_that_warn(line: str, warns: bool) -> None:
    assert warning(line) == warns


def test_a_line_of_a_protocol_is_headed_by_what_it_is_of() -> None:
    named = "protocol, improvised, 2236 utterances, 100 runs"
    page = Page("a", "b", [Section("Scores", [f"{named}: random splits of utterances"])])
    assert f"<b>{named}</b><span>random splits of utterances</span>" in html(page)


def test_a_live_page_reloads_itself_also_without_scripts(tmp_path: Path) -> None:
    stored = experiment(tmp_path / "a")
    reloads = {"http-equiv": "refresh", "content": "30"}
    assert reloads in Seen(page_of(stored, live=True)).all_of("meta")
    text = page_of(stored)
    assert reloads not in Seen(text).all_of("meta")
    assert "data-reload" not in text


def test_a_page_is_written_in_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.html"
    assert write(Page("Title", "about", [Section("One", ["a: b"])]), path) == f"written: {path} (0.01 MiB)"
    before = path.read_text()
    assert html(Page("Title", "about", [Section("One", ["a: b"])])) == before

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write(Page("Other", "about", []), path)
    assert path.read_text() == before
    assert [name.name for name in tmp_path.iterdir()] == ["a.html"]


def test_a_hundred_runs_make_no_large_page(tmp_path: Path) -> None:
    text = page_of(experiment(tmp_path / "a", seeds=range(100)))
    assert len(text.encode()) < 2_000_000
