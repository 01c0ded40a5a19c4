"""One figure out of Prometheus' text."""

from beeyard.domain.metric import total

PAGE = """\
# HELP queue_depth Jobs that wait, by queue.
# TYPE queue_depth gauge
queue_depth{queue="mail",why="a } and a \\" in it"} 3
queue_depth{queue="print"} 1.5e1 1700000000000
queue_depth_max 99
broken NaN
  queue_depth 7
empty{} 4
"""


def test_samples_of_one_name_are_added_whatever_their_labels() -> None:
    """Times and other names are left alone."""
    assert total(PAGE, "queue_depth") == 18.0
    assert total(PAGE, "queue_depth_max") == 99.0
    assert total(PAGE, "empty") == 4.0


def test_what_is_no_number_is_not_known() -> None:
    """Nor is what is not there."""
    assert total(PAGE, "broken") is None
    assert total(PAGE, "queue") is None
    assert total("<html>queue_depth</html>", "queue_depth") is None
