import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.texts.markup import Traced, shown
from optimizer.strategy.texts.plain_text import LOOK_ALIKES, plain

# ruff: noqa: RUF001 - look-alikes are what this is about


def plainly(text: str, *, look_alikes: bool = False) -> str:
    return plain(Traced.of(text), look_alikes=look_alikes).text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Risk - FREE", "risk free"),
        ("risk\u00adfree", "riskfree"),
        ("r\u200bi\u2060s\ufeffk", "risk"),
        ("Ｒｉｓｋ", "risk"),
        ("gárañtëéd", "garanteed"),
        ("g\u0301a\u0308r", "gar"),
        ("Straße", "strasse"),
        ("𝐟𝓻𝕖𝖾", "free"),
        ("①②", "12"),
        ("🄵🅁🄴🄴", "free"),
        ("ca$h @ home", "ca$h @ home"),
        ("a,;-b", "a b"),
        ("가격", "가격"),
        ("ﾎｼﾞｮｳ", "ホショウ"),
    ],
)
def test_what_only_looks_different_reads_the_same(written: str, read: str) -> None:
    assert plainly(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("гυаrаntееd", "ruaranteed"),
        ("ｇｕａｒａпｔｅｅｄ", "guaranteed"),
        ("FЯЕЕ", "fяee"),
        ("ΝΗ νη", "nh vn"),
        ("🅵🆁🅴🅴", "free"),
        ("łøæ", "loae"),
    ],
)
def test_look_alikes_read_as_what_they_look_like(written: str, read: str) -> None:
    assert plainly(written, look_alikes=True) == read
    assert plainly(written) != read or written.isascii()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("No risk. Free gifts", "no risk\nfree gifts"),
        ("No risk. free gifts", "no risk free gifts"),
        ("no risk\nfree", "no risk free"),
        ("no risk\n\nfree", "no risk\nfree"),
        ("no risk.\n\nfree", "no risk\nfree"),
        ("- no risk\n- free", "no risk\nfree"),
        ('He said "Risk!" Free', "he said risk\nfree"),
        ("version 2.0 is out", "version 2 0 is out"),
    ],
)
def test_a_sentence_ends_where_another_one_begins(written: str, read: str) -> None:
    assert plainly(written).strip() == read


def test_the_table_maps_each_look_alike_to_one_letter() -> None:
    alikes = "".join(LOOK_ALIKES.values())
    assert len(alikes) == len(set(alikes))
    for letter, looks in LOOK_ALIKES.items():
        for look in looks:
            assert not look.isascii()
            assert plainly(look, look_alikes=True) == letter


@given(st.text(), st.booleans())
def test_every_character_knows_where_it_comes_from(written: str, look_alikes: bool) -> None:
    for reading in shown(Traced.of(written)):
        text = plain(reading, look_alikes=look_alikes)
        assert len(text.origin) == len(text.text) + 1
        assert list(text.origin) == sorted(text.origin)
        assert text.origin[-1] == len(written)
        assert all(0 <= at < len(written) for at in text.origin[:-1])


@given(st.text(alphabet="abcXYZ 019éßÅ－", min_size=1))
def test_positions_point_at_what_was_read(written: str) -> None:
    text = plain(Traced.of(written))
    for index, character in enumerate(text.text):
        if character.isalnum():
            assert character in plainly(written[text.origin[index]])


@given(st.text())
def test_plain_text_holds_nothing_but_letters_digits_signs_spaces_and_breaks(written: str) -> None:
    for look_alikes in (False, True):
        text = plainly(written, look_alikes=look_alikes)
        assert all(c.isalnum() or c in "@$!| \n" for c in text)
        assert "  " not in text
