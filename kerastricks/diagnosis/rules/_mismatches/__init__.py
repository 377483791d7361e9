"""Which output does not fit which loss, one kind of loss a file."""
