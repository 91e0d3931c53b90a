"""A message for an agent that has no pod: how long until it is read and answered, and where the time goes."""
