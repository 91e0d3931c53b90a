"""The operator: brings Agents to pods, and what the bus knows of them to their status."""
