"""The cluster without another operator."""

from tests.controller.conftest import cluster

__all__ = ["cluster"]
