"""`horos run`: agents on one machine, without a cluster; Redis, gateway, model and operator in its hands."""
