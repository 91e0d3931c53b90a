"""Thousands of agents on the test cluster: pods on fake nodes, agents that a simulator plays."""
