"""What a query costs in the gateway, beside a relay that does nothing but relay."""
