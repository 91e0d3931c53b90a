"""Tools for an agent at a desk. `TOOLS` is what the entry point in pyproject.toml names."""

from desk_tools.pages import read_page
from desk_tools.sums import calculate, days_between

TOOLS = [calculate, days_between, read_page]
