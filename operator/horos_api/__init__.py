"""What people write and what travels: resources, messages, events, names. Pydantic only, no I/O."""
