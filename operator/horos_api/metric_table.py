"""docs/metrics.md, written from the lists: `python -m horos_api.metric_table > docs/metrics.md`."""

from collections.abc import Iterable

from horos_api.metrics import GATEWAY_METRICS, OPERATOR_METRICS, Metric

_INTRODUCTION = """# Metrics
Operator and gateway tell Prometheus what they count. Nobody needs a token for it, and nothing that agents
say is in it. The README's section on metrics says where they are read and what to ask first.

Times are in seconds, money is in the currency of the prices that you gave. A histogram `x` comes as
`x_bucket`, `x_sum` and `x_count`. Beside these each process has the usual ones of its own
(`process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds` and so on).
"""


def metric_table() -> str:
    """Describe all metrics in Markdown."""
    return f"{_INTRODUCTION}\n## Operator\n{_table(OPERATOR_METRICS)}\n## Gateway\n{_table(GATEWAY_METRICS)}"


def _table(metrics: Iterable[Metric]) -> str:
    rows = (
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{name}`' for name in each.labels)} | {each.help} |\n"
        for each in metrics
    )
    return "| name | kind | labels | meaning |\n|---|---|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    print(metric_table(), end="")
