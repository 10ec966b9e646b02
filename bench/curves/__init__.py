"""What curves of many points cost: to import, to ask for, to draw."""
