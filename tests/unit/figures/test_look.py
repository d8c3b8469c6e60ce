"""The shared look: colours stay with their variant, pictures are safe inside a page, and every one has the template."""

import json

import plotly.graph_objects as go
import pytest

from optimizer.figures.look import (
    COLOURS,
    DASHES,
    NEUTRAL,
    TEMPLATE,
    add_band,
    cased,
    colour_of,
    figure_json,
    panels,
    said,
    styled,
    styles_of,
    whiskers,
)

HOSTILE = '</script><!--<img src=x onerror="alert(1)">&amp; {{7*7}} \u2028 \u202e'


def test_colours_follow_the_order_of_the_documents_and_control_is_neutral() -> None:
    assert colour_of(("a", "b", "c"), "b") == {"a": COLOURS[0], "b": NEUTRAL, "c": COLOURS[1]}
    assert [style.number for style in styles_of(("a", "b", "c"), "b").values()] == [1, 0, 2]
    assert colour_of(("a", "b", "c")) == dict(zip("abc", COLOURS, strict=False))


def test_a_variant_keeps_its_colour_when_another_is_added_behind_it() -> None:
    before, after = styles_of(("a", "b")), styles_of(("a", "b", "c"))
    assert all(after[name] == style for name, style in before.items())


def test_more_variants_than_colours_differ_by_their_lines() -> None:
    styles = styles_of([f"v{n}" for n in range(20)])
    assert len({(style.colour, style.dash) for style in styles.values()}) == 20
    assert styles["v6"].colour == COLOURS[0]
    assert styles["v6"].dash == DASHES[1]


def test_no_two_colours_are_alike_and_none_is_that_of_control() -> None:
    assert len({*COLOURS, NEUTRAL}) == len(COLOURS) + 1 == 7


@pytest.mark.parametrize("text", ["</script>", "<!--", HOSTILE])
def test_a_figure_as_json_cannot_end_its_script_and_loses_nothing(text: str) -> None:
    figure = styled(go.Figure(go.Scatter(x=[1], y=[2], name=text)))
    written = figure_json(figure)
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written)["data"][0]["name"] == text
    assert json.loads(written)["layout"]["dragmode"] is False


def test_words_of_people_have_no_markup_left_and_are_short() -> None:
    assert said('<a href="x">tap</a> & go') == '&lt;a href="x"&gt;tap&lt;/a&gt; &amp; go'
    assert said("one\n  two") == "one two"
    assert said("x" * 500, 10) == "x" * 9 + "…"


def test_every_figure_has_the_one_template_and_a_clear_background() -> None:
    figure = styled(go.Figure(), x="days", y="share", title="What")
    assert figure.layout.template == TEMPLATE
    assert figure.layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert tuple(figure.layout.template.layout.colorway) == COLOURS
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("days", "share")


def test_a_band_goes_up_and_comes_back_and_says_nothing() -> None:
    figure = go.Figure()
    add_band(figure, [1, 2], [0.1, 0.2], [0.3, 0.4], COLOURS[0])
    (band,) = figure.data
    assert (list(band.x), list(band.y)) == ([1, 2, 2, 1], [0.3, 0.4, 0.2, 0.1])
    assert (band.hoverinfo, band.showlegend) == ("skip", False)


def test_a_cased_line_is_drawn_twice_but_told_once() -> None:
    figure = go.Figure()
    figure.add_traces(cased([1, 2], [3, 4], {"width": 1.0, "dash": "dash"}, name="plan"))
    below, line = figure.data
    assert below.line.width > line.line.width
    assert (below.showlegend, line.name, line.line.dash) == (False, "plan", "dash")


def test_whiskers_leave_out_an_end_nobody_knows() -> None:
    found = whiskers([1.0, 2.0], [0.5, None], [1.75, 2.5])
    assert found["array"] == [0.75, 0.5]
    assert found["arrayminus"] == [0.5, 0.0]


def test_titles_of_panels_show_no_markup() -> None:
    assert [note.text for note in panels(["a", "<b>b</b>"]).layout.annotations] == ["a", "&lt;b&gt;b&lt;/b&gt;"]
