"""What the release pages weigh, and when they are to be seen over a slow line."""
