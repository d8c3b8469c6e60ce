import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.texts.markup import Traced
from optimizer.strategy.texts.phrases import phrase, readings
from optimizer.strategy.texts.plain_text import LOOK_ALIKES

# ruff: noqa: RUF001 - look-alikes are what this is about


def found(words: str, text: str) -> list[str]:
    return [text[start:end] for start, end in phrase(words).found_in(readings(Traced.of(text)))]


@pytest.mark.parametrize(
    ("words", "text", "where"),
    [
        ("guaranteed", "It is GUARANTEED.", "GUARANTEED"),
        ("risk-free", "a risk - free offer", "risk - free"),
        ("risk-free", "a riskfree offer", "riskfree"),
        ("risk-free", "a risk\u00adfree offer", "risk\u00adfree"),
        ("risk free", "a risk\nfree offer", "risk\nfree"),
        ("risk free", "R I S K   F R E E!", "R I S K   F R E E"),
        ("risk free", "R.I.S.K. F.R.E.E.", "R.I.S.K. F.R.E.E"),
        ("risk-free", "r1$k fr33 now", "r1$k fr33"),
        ("guaranteed", "gu@r4nte3d", "gu@r4nte3d"),
        ("win", "w!n big", "w!n"),
        ("free", "for fŕéè", "fŕéè"),
        ("free", "for ｆｒｅｅ!", "ｆｒｅｅ"),
        ("free", "for fгее, yes", "fгее"),
        ("guaranteed", "guar<b>an</b>teed", "guar<b>an</b>teed"),
        ("guaranteed", "&#71;uaranteed", "&#71;uaranteed"),
        ("risk free", "risk&nbsp;free", "risk&nbsp;free"),
        ("100% off", "now 100 % off!", "100 % off"),
        ("Act now! Limited time", "act now! Limited time", "act now! Limited time"),
        ("гарантия", "ГАРАНТИЯ!", "ГАРАНТИЯ"),
        ("гарантия", "гaрaнтия", "гaрaнтия"),
        ("νέα", "ΝΕΑ", "ΝΕΑ"),
        ("保証", "全額保証します", "保証"),
        ("保証", "保 証", "保 証"),
        ("보장", "보장합니다", "보장"),
        ("free", "so\u200b fr\u200dee", "fr\u200dee"),
    ],
)
def test_a_phrase_is_found_however_it_is_written(words: str, text: str, where: str) -> None:
    assert found(words, text) == [where]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("ass", "a classic bass, assorted"),
        ("ass", "on the A55"),
        ("ass", "as s"),
        ("free", "carefree freedom, free2go"),
        ("risk-free", "There is no risk. Free gifts for all"),
        ("risk free", "<li>no risk</li><li>free gifts</li>"),
        ("risk free", "no risk\n\nfree gifts"),
        ("therapist", "the rapist"),
        ("nowhere", "now here"),
        ("fail", "in the fall"),
        ("so", "50 people"),
        ("is", "15 people"),
        ("hi", "h! there"),
        ("сор", "the cop"),
        ("free", "{fre}e"),
        ("strong", "<strong>yes</strong>"),
        ("important", "<b style='color: red !important'>x</b>"),
        ("win", "wi-n"),
    ],
)
def test_words_that_only_resemble_a_phrase_are_not_it(words: str, text: str) -> None:
    assert found(words, text) == []


def test_every_place_is_found_once() -> None:
    assert found("free", "Free, free and FREE") == ["Free", "free", "FREE"]


INVISIBLE_CHARACTERS = "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f\u034f\u0301\u20dd\u180e\u3164\uffa0"
INVISIBLE = st.text(alphabet=INVISIBLE_CHARACTERS, max_size=2)
PHRASES = st.sampled_from(["guaranteed", "risk-free", "act now", "no cost 4 you", "zany quiz box"])


@st.composite
def disguises(draw: st.DrawFn) -> tuple[str, str]:
    """A phrase, and the same with each letter in some other guise."""
    words = draw(PHRASES)
    written = ""
    for letter in words:
        guises = [letter, letter.upper(), chr(ord(letter) + 0xFEE0) if letter.isalnum() else letter]
        guises += LOOK_ALIKES.get(letter, "")
        written += draw(st.sampled_from(guises)) + draw(INVISIBLE)
    return words, written


BEFORE = st.sampled_from(["", "so ", "(", "été, ", "<p>", "12 "])
AFTER = st.sampled_from(["", ".", " ok", " </p>", "!"])


@given(disguises(), BEFORE, AFTER)
def test_no_guise_of_letters_hides_a_phrase(disguise: tuple[str, str], before: str, after: str) -> None:
    words, written = disguise
    text = before + written + after
    (extent,) = phrase(words).found_in(readings(Traced.of(text)))
    assert extent[0] == len(before)
    assert text[slice(*extent)].rstrip(INVISIBLE_CHARACTERS) == written.rstrip(INVISIBLE_CHARACTERS)


@given(st.text(min_size=1, max_size=12), st.text(max_size=30), st.text(max_size=30))
def test_a_phrase_between_spaces_is_always_found(words: str, before: str, after: str) -> None:
    if any(c.isalnum() for c in readings(Traced.of(words))[0].exact.text) and not set("<&>") & set(words + before):
        looked_for = phrase(words)
        extents = looked_for.found_in(readings(Traced.of(f"{before} {words} {after}")))
        assert extents


@given(st.text(max_size=60), PHRASES)
def test_the_core_rules_out_only_what_the_patterns_would_not_find(text: str, words: str) -> None:
    looked_for = phrase(words)
    for reading in readings(Traced.of(text + words)):
        if looked_for.exact.search(reading.exact.text):
            assert looked_for.cores[0] in reading.cores[0]
        if looked_for.disguised and looked_for.disguised.search(reading.skeleton.text):
            assert looked_for.cores[1] in reading.cores[1]


@given(st.lists(st.sampled_from([*"riskfe153$!-.RF ", "risk", "free"]), max_size=14))
def test_the_core_is_where_the_phrase_is(pieces: list[str]) -> None:
    looked_for = phrase("risk-free")
    (reading,) = readings(Traced.of("".join(pieces)))
    if looked_for.exact.search(reading.exact.text):
        assert looked_for.cores[0] in reading.cores[0]
    assert looked_for.disguised is not None
    if looked_for.disguised.search(reading.skeleton.text):
        assert looked_for.cores[1] in reading.cores[1]
