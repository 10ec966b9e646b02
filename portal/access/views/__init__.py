"""Pages of access: one request, one action or one QuerySet."""
