"""Page classifiers (quality and topic), and the training of the engine `gristmill`. Nothing here uses Beam."""
