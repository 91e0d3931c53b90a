"""The HTTP side of horos: messages in, replies, records and streams of events out. It keeps nothing."""
