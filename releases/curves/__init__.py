"""Series of numbers of a run: imported, kept with a pyramid of extremes, drawn over steps, tokens or wall clock."""
