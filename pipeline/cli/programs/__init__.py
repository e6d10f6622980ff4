"""Commands that run other programs: the trainer, the classifiers, and the demo, which runs all of them."""
