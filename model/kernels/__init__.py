"""Parts of the network that are faster than torch's own operations on some hardware."""
