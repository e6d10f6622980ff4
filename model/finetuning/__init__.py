"""Fine-tuning: examples of prompts and answers (SFT) or of preference pairs (DPO), and their losses."""
