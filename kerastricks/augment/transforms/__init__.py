"""What may happen to an image, one transform a file."""
