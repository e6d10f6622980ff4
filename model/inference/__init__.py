"""Uses of a trained model: writing text, and export to Hugging Face's format."""
