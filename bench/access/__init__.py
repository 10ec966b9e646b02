"""The pages of access as the portal fills."""
