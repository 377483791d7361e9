"""Where layers call a backend's own operations."""
