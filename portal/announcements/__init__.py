"""What the operator tells everybody: planned work, disturbances, news."""
