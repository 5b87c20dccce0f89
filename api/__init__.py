"""The HTTP API: any number of processes, none of which remembers anything."""
