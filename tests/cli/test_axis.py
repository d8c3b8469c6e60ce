from optimizer.cli.axis import Axis


def test_bars_share_an_axis() -> None:
    axis = Axis.over([0.104, 0.187])
    assert (axis.low, axis.high) == (0.10, 0.19)
    assert str(axis).startswith("10 %")
    assert str(axis).endswith("19 %")
    assert len(str(axis)) == axis.width
    bar = axis.bar(0.12, 0.15, 0.18, mark=0.10)
    assert len(bar) == axis.width
    assert bar[0] == "│"
    assert bar[axis.place(0.15)] == "●"
    assert bar.index("━") == axis.place(0.12)


def test_values_beyond_the_axis_stand_at_its_ends() -> None:
    axis = Axis(0.1, 0.2, width=11)
    assert [axis.place(value) for value in (-1.0, 0.1, 0.15, 0.2, 9.0)] == [0, 0, 5, 10, 10]


def test_an_axis_of_nothing_is_a_whole_one() -> None:
    assert Axis.over([], zero=True) == Axis(0.0, 1.0)
