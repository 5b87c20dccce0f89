"""The projector: from the journal to the read models, by any number of processes."""
