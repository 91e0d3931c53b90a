"""docs/metrics.md is what the lists say, and the lists are what Prometheus expects of names.

That processes tell exactly what is listed, their own tests of metrics look at.
"""

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
