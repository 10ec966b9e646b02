"""How each language writes a moment where Django writes it: as the portal's own pages do, on 24 hours and with its zone."""
