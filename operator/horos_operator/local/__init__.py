"""Agents of one machine without Kubernetes: the same operator over a folder of objects and child processes."""
