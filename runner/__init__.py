"""The runner: takes jobs that are ready, has their containers and handlers run, and writes down how they end."""
