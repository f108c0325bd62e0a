"""The reader of the game's archive, on a tiny one with known bytes and on the real one."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.common.errors import UserError
from scripts.media import game, locate
from tests.media import tiny_game


@pytest.fixture
def archive(tmp_path):
    return game.Archive(tiny_game.build(tmp_path / "queen.1c"))


def test_lines_come_as_a_thorough_player_hears_them(archive, capsys):
    lines = game.lines(archive, "BOB1")
    assert [(line.character, line.text) for line in lines] == [
        ("Joe", "Hello Bob."),
        ("Bob", "Howdy!"),
        ("Bob", "What can I do for you?"),
        ("Joe", "How is business?"),
        ("Bob", "Slow."),
        ("Joe", "Why?"),
        ("Bob", "It's the"),
        ("Bob", "jungle."),
        ("Joe", "Response a map?"),
        ("Joe", "Bye."),
        ("Bob", "So long."),
    ]
    assert "left out 'A map?*00No.'" in capsys.readouterr().out


def test_a_line_carries_its_own_voice(archive):
    lines = game.lines(archive, "BOB1")
    order = ["SSSSJ1", "0001P2", "0001P3", "0006J1", "0006P1", "001EJ1", "001EP1", "001EP3"]
    order += ["0007J1", "0008J1", "0008P1"]
    for line, name in zip(lines, order, strict=True):
        peak = np.argmax(np.abs(np.fft.rfft(line.samples))) * line.rate / len(line.samples)
        assert peak == pytest.approx(300 + 40 * tiny_game.BOB_VOICES.index(name), abs=3)


def test_pieces_of_one_text_share_its_id(archive):
    ids = [line.text_id for line in game.lines(archive, "BOB1")]
    assert ids[1] == ids[2] != ids[0]
    assert all(name.startswith("BOB1/") for name in ids)


def test_a_shortened_name_is_written_out(archive):
    assert [line.character for line in game.lines(archive, "AND1")] == ["Anderson", "Joe"]


def test_an_unknown_dialogue_is_refused_with_the_nearest(archive):
    with pytest.raises(UserError, match="did you mean 'BOB1'"):
        game.lines(archive, "BOB2")


@pytest.mark.parametrize("size", [0, 14, 60])
def test_a_cut_archive_is_refused(tmp_path, size):
    path = tiny_game.build(tmp_path / "queen.1c")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"queen\.1c"):
        game.Archive(path)


def test_a_damaged_dialogue_or_voice_is_refused(tmp_path):
    path = tiny_game.build(tmp_path / "queen.1c")
    whole = path.read_bytes()
    path.write_bytes(whole[:1500])
    with pytest.raises(UserError, match=r"queen\.1c.*(damaged|decoded)"):
        game.lines(game.Archive(path), "BOB1")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "queen.1c").write_bytes(bytes(4000))
    with pytest.raises(UserError, match="does not begin with QTBL"):
        game.Archive(tmp_path / "queen.1c")


def test_the_real_game_is_read_as_it_was_studied():
    """Needs apt: it downloads 35 MB into the cache once."""
    path = next(locate.deb("flight-of-the-amazon-queen").rglob("queen.1c"))
    archive = game.Archive(path)
    assert len(archive.dialogues()) == 73
    lines = game.lines(archive, "SPARKY4")
    assert [(line.character, line.text) for line in lines[:3]] == [
        ("Joe", "Things look grim little buddy..."),
        ("Sparky", "They sure do Joe."),
        ("Sparky", "Let's hope that the robot can beat Frank!"),
    ]
    assert (lines[-1].text, lines[-1].character) == ("Okay.", "Sparky")
    assert all(line.rate == 11_025 and len(line.samples) > 2000 for line in lines)
    spelled = [line.text for line in game.lines(archive, "DEATH1")]
    assert "CHARON" in "".join(spelled[spelled.index("C") : spelled.index("C") + 6])
