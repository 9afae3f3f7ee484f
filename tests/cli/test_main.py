"""`glam <verb>`."""

import pytest

from glam.cli.main import main


def test_a_mistyped_verb_is_told_from_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, message in (("predct", "there is no verb 'predct'. Did you mean 'predict'?"), ("zzz", "invalid choice")):
        with pytest.raises(SystemExit) as exit:
            main([verb])
        assert exit.value.code == 2
        assert message in capsys.readouterr().err
