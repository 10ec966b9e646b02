"""Django's own backend for PostgreSQL, but for how an open connection is found fit for use."""
