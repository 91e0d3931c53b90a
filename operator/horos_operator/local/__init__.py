"""Agents on one machine, without Kubernetes: the operator over a folder of objects and child processes."""
