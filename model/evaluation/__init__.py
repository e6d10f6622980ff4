"""What a trained model is worth: bits per byte of texts, and whether it saw an evaluation set."""
