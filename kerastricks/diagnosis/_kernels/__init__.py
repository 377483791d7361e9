"""What a backend alone can do for the diagnosis."""
