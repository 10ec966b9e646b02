"""The verbs of access as JSON under `/api/v1/`: thin over the same actions as the pages."""
