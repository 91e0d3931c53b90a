"""docs/metrics.md is what the lists say, and the lists are what Prometheus expects of names.

That processes tell exactly what is listed, their own tests of metrics look at.
"""

import re
from pathlib import Path

import pytest

from horos_api.metric_table import metric_table
from horos_api.metrics import GATEWAY_METRICS, OPERATOR_METRICS, Metric

PROJECT = Path(__file__).resolve().parent.parent


def test_the_table_is_up_to_date() -> None:
    found = (PROJECT / "docs/metrics.md").read_text(encoding="utf-8")
    assert found == metric_table(), "run: python -m horos_api.metric_table > docs/metrics.md"


@pytest.mark.parametrize("metrics", [OPERATOR_METRICS, GATEWAY_METRICS], ids=["operator", "gateway"])
def test_names_begin_with_horos_and_say_their_unit(metrics: tuple[Metric, ...]) -> None:
    for each in metrics:
        assert each.name.startswith("horos_")
        assert each.name.endswith("_total") == (each.kind == "counter")
        assert each.name.endswith("_seconds") or each.kind != "histogram"
        assert bool(each.bounds) == (each.kind == "histogram")
        assert sorted(each.bounds) == list(each.bounds)
        assert each.help.endswith(".")


def metric_of(series: str) -> Metric:
    """The metric that a series of this name belongs to."""
    listed = {each.name: each for each in (*OPERATOR_METRICS, *GATEWAY_METRICS)}
    name = re.sub(r"_(bucket|sum|count)$", "", series)
    assert name in listed, series
    assert name == series or listed[name].kind == "histogram", series
    return listed[name]


def test_the_readme_asks_for_metrics_that_there_are_by_labels_that_they_have() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (queries,) = re.findall(r"^```promql\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    asked = [line for line in queries.splitlines() if line and not line.startswith("#")]
    assert len(asked) >= 3
    for query in asked:
        known = {label for series in re.findall(r"horos_\w+", query) for label in metric_of(series).labels}
        named = re.findall(r"by \(([^)]*)\)", query) + re.findall(r"\{(\w+)=", query)
        assert {label for each in named for label in each.split(", ")} <= known | {"le"}, query
    for series in re.findall(r"`(horos_\w+)`", readme):
        assert metric_of(series), series
