import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.strategy.texts.markup import Traced, shown


def readings(text: str) -> list[str]:
    return [" ".join(reading.text.split()) for reading in shown(Traced.of(text))]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("guar<b>an</b>teed", ["guaranteed"]),
        ('guar<b class="a>b">an</b>teed', ["guaranteed"]),
        ("guar<!-- x -->anteed", ["guaranteed"]),
        ("guar<style>b{}</style >anteed", ["guaranteed"]),
        ("<!--[if mso]>guaranteed<![endif]-->", ["guaranteed"]),
        ("<!--[if !mso]><!--> risk <!--<![endif]--> free", ["risk free"]),
        ("risk<br/>free", ["risk free"]),
        ("&#71;uaran&#x74;eed &amp; &nbsp;&lt;b&gt;", ["Guaranteed & <b>"]),
        ("AT&T; 5 < 6 > 4 I <3 you", ["AT&T; 5 < 6 > 4 I <3 you"]),
        ('<img alt="Risk free" src="x.png">', ["", "Risk free"]),
        ("<a href='x' title='No &#114;isk'>go</a>", ["go", "No risk go"]),
        ("we <guarantee> it", ["we it", "we <guarantee> it"]),
        ("guar<x>anteed", ["guaranteed", "guar<x>anteed"]),
        ("<o:p>x</o:p>", ["x"]),
    ],
)
def test_a_text_reads_as_it_is_shown(written: str, read: list[str]) -> None:
    assert readings(written) == read


def test_a_block_ends_a_paragraph_and_an_inline_tag_does_not() -> None:
    assert "\n\n" in shown(Traced.of("no risk</li><li>free"))[0].text
    assert "\n\n" not in shown(Traced.of("no risk</b> <i>free"))[0].text


def test_what_was_replaced_counts_as_a_whole() -> None:
    written = "a&copy;b<b>c</b>d"
    text = shown(Traced.of(written))[0]
    assert text.text == "a©bcd"
    assert [written[slice(*text.extent(n, n + 1))] for n in range(5)] == ["a", "&copy;", "b<b>", "c</b>", "d"]


@given(st.text(alphabet="ab<>/&;#1!-[\"'= \n"))
def test_any_markup_is_read_and_traced(written: str) -> None:
    for reading in shown(Traced.of(written)):
        assert len(reading.origin) == len(reading.text) + 1
        assert list(reading.origin) == sorted(reading.origin)


@pytest.mark.parametrize("piece", ["<a", '<a="', "<!--", "<style", "&a", " <a b='", "&#1", "<a ", "</style "])
def test_what_never_ends_is_read_in_time_that_grows_with_its_length(piece: str) -> None:
    def seconds(n: int) -> float:
        started = time.thread_time()  # of this thread alone: others may use the processor meanwhile
        shown(Traced.of(piece * n))
        return time.thread_time() - started

    # Quadratic time would be a hundred times as long.
    assert seconds(20_000) < 40 * max(seconds(2_000), 0.001)
