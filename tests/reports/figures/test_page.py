from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from reports.figures.drawn import experiment, png_inches

from glam.cli.figures import figure as verb
from glam.errors import GlamError
from glam.reports.figures.confusion import confusion
from glam.reports.figures.curves import curves
from glam.reports.figures.page import (
    COLOURS,
    MARKERS,
    PAGE,
    columns_and_width,
    fold_titles,
    lettering,
    pick,
    stem_of,
    style,
    write,
)


def test_pdf_has_letters_in_truetype_and_is_the_same_every_time(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / m, m) for m in ("mhcnn", "glam")]
    first = [path.read_bytes() for path in write(curves(stored), tmp_path / "a")]
    again = [path.read_bytes() for path in write(curves(stored), tmp_path / "a")]
    assert first == again
    pdf = first[1]
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"/CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert png_inches(tmp_path / "a.png")[0] == pytest.approx(PAGE, abs=0.01)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.pdf", "a.png", "a.svg"]
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "Training loss" in text
    assert "<text" not in text, "letters are drawn, so that no font is needed"


def test_a_users_matplotlibrc_changes_nothing(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / "a")]
    expected = write(confusion(stored, "test"), tmp_path / "x")[0].read_bytes()
    with matplotlib.rc_context({"font.size": 30, "figure.dpi": 50, "savefig.bbox": "tight", "axes.grid": True}):
        assert write(confusion(stored, "test"), tmp_path / "y")[0].read_bytes() == expected


def test_colour_and_marker_tell_many_lines_apart() -> None:
    pairs = [(pick(COLOURS, i), pick(MARKERS, i)) for i in range(56)]
    assert len(set(pairs)) == 56


def test_panels_that_do_not_fit_into_a_row_of_the_page_go_below() -> None:
    assert [columns_and_width(n, 1.45, 0.1) for n in (1, 2, 3, 4, 5, 9)] == [
        (1, 3.35),
        (2, 3.35),
        (3, 7.0),
        (4, 7.0),
        (3, 7.0),
        (3, 7.0),
    ]
    assert columns_and_width(1, 99, 0) == (1, 3.35)


def test_titles_are_broken_where_the_panel_ends() -> None:
    lines, height = fold_titles(["a) GLAM", "b) Multi-scale + MHA (alpha 0.3)"], 1.0)
    assert lines[0] == "a) GLAM"
    assert "\n" in lines[1]
    assert max(len(line) for line in lines[1].split("\n")) <= 15
    assert height > fold_titles(["a) GLAM"], 1.0)[1]


def test_a_file_is_named_after_what_it_shows(tmp_path: Path) -> None:
    stored = [experiment(tmp_path / m, m, seeds=()) for m in ("mhcnn", "glam")]
    assert stem_of("confusion", stored, None) == tmp_path / "mhcnn" / "figures" / "confusion-mhcnn-glam"
    assert stem_of("curves", [*stored, stored[0]], tmp_path) == tmp_path / "curves-mhcnn-glam"
    own = experiment(tmp_path / "own", "/elsewhere/mine.py:my net", seeds=())
    assert stem_of("tsne", [own], tmp_path / "own").name == "tsne-mine.py-my-net"
    for given in ("a", "a.png", "a.pdf", "a.svg"):
        assert stem_of("tsne", [own], tmp_path / given) == tmp_path / "a"


def test_letters_are_of_the_font_that_was_asked_for(tmp_path: Path) -> None:
    def fonts() -> set[str]:
        with style():
            figure = Figure()
            figure.subplots().set_title("letters")
        return {text.get_fontname() for text in figure.findobj(Text)}

    assert fonts() == {"DejaVu Sans"}
    with lettering("serif"):
        assert fonts() == {"STIXGeneral"}
    with pytest.raises(GlamError, match="--font Nowhere Sans: no such font is installed; give sans-serif, serif"):
        lettering("Nowhere Sans").__enter__()
    assert fonts() == {"DejaVu Sans"}


def test_the_verb_writes_both_files_and_prints_the_caption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stored = [experiment(tmp_path / m, m) for m in ("mhcnn", "glam")]
    folders = [str(shown.folder) for shown in stored]
    assert verb(["confusion", *folders, "--select", "last"]) == 0
    assert "a) MHCNN: 3 runs, 60 test utterances each" in capsys.readouterr().out
    there = {path.name for path in (stored[0].folder / "figures").iterdir()}
    assert there == {f"confusion-mhcnn-glam.{kind}" for kind in ("png", "pdf", "svg")}
    assert {path.name for path in tmp_path.iterdir()} == {"mhcnn", "glam"}, "nothing falls into the working folder"
    assert verb(["curves", *folders, "-o", str(tmp_path / "mine.pdf")]) == 0
    assert (tmp_path / "mine.png").is_file()
    assert verb(["reliability", *folders, "--select", "halves", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "reliability-mhcnn-glam.pdf").is_file()
    assert verb(["curves", "glam", "--runs-folder", str(tmp_path)]) == 0
    assert verb(["curves", "glam", "--runs-folder", str(tmp_path), "-o", f"{tmp_path}/new/folder/"]) == 0
    assert (tmp_path / "new" / "folder" / "curves-glam.svg").is_file()
    assert verb(["tsne", *folders]) == 2
    assert "kept its model" in capsys.readouterr().err
    assert verb(["confusion", str(tmp_path / "nowhere")]) == 2
    assert "no experiment lies here" in capsys.readouterr().err
