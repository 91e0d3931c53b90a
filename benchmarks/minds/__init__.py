"""One module for each peer of the turns and streams: what it asks of the same scripted model."""
