"""The scheduler: from what falls due to events, by any number of processes."""
