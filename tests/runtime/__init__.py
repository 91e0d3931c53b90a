"""Tests of the runtime against the real Redis and the scripted model."""
