"""Models for those who have none: a small real one (llama.cpp), and a scripted one to test agents with."""
