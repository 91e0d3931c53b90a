"""Stacked bars as SVG, by hand: one bar for each series, one piece for each stage."""

from collections.abc import Mapping
from html import escape
from math import ceil

from benchmarks.cold.moments import STAGES

WIDTH, LEFT, BAR, GAP, LINE = 1000, 190, 44, 22, 20
FONT = 'font-family="sans-serif" font-size="13" fill="#222"'


def stacks(title: str, series: Mapping[str, Mapping[str, float]]) -> str:
    """Draw seconds of each stage; the axis begins at 0, and each piece wide enough says its own."""
    longest = max(sum(stages.values()) for stages in series.values())
    step = next(size for size in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0) if longest / size <= 12)
    scale = (WIDTH - LEFT - 80) / (ceil(longest / step) * step)
    bottom = 46 + len(series) * (BAR + GAP)
    parts = [f'<text x="12" y="24" {FONT} font-weight="bold">{escape(title)}</text>']
    parts += axis(ceil(longest / step), step, scale, bottom)
    for number, (name, stages) in enumerate(series.items()):
        parts += bar(name, stages, 46 + number * (BAR + GAP), scale)
    parts += legend(bottom + 44)
    height = bottom + 44 + len(STAGES) * LINE + 6
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>", ""])


def axis(steps: int, step: float, scale: float, bottom: int) -> list[str]:
    parts = []
    for number in range(steps + 1):
        x = LEFT + number * step * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="38" y2="{bottom}" stroke="#ddd"/>')
        label = f"{number * step:.1f}"
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" {FONT} text-anchor="middle">{label}</text>')
    parts.append(f'<text x="{WIDTH - 12}" y="{bottom + 16}" {FONT} text-anchor="end">seconds</text>')
    return parts


def bar(name: str, stages: Mapping[str, float], top: int, scale: float) -> list[str]:
    middle, x = top + BAR / 2 + 5, float(LEFT)
    parts = [f'<text x="{LEFT - 10}" y="{middle}" {FONT} text-anchor="end">{escape(name)}</text>']
    for stage in STAGES:
        seconds = stages[stage.title]
        width = seconds * scale
        about = f"<title>{escape(stage.title)}: {seconds:.3f} s</title>"
        place = f'x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR}"'
        parts.append(f'<rect {place} fill="{stage.colour}">{about}</rect>')
        if width > 36:
            centre, white = x + width / 2, FONT.replace("#222", "#fff")
            label = f"{seconds:.2f}"
            parts.append(f'<text x="{centre:.1f}" y="{middle}" {white} text-anchor="middle">{label}</text>')
        x += width
    total = sum(stages.values())
    return [*parts, f'<text x="{x + 8:.1f}" y="{middle}" {FONT} font-weight="bold">{total:.2f} s</text>']


def legend(top: int) -> list[str]:
    parts = []
    for number, stage in enumerate(STAGES):
        y = top + number * LINE
        parts.append(f'<rect x="{LEFT}" y="{y - 11}" width="13" height="13" fill="{stage.colour}"/>')
        parts.append(f'<text x="{LEFT + 22}" y="{y}" {FONT}>{escape(stage.title)}</text>')
    return parts
