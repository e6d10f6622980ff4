"""Studies of several runs: which corpus trains the better model, and how the loss falls with the compute."""
