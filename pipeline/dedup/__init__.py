"""The dedup job: documents in, duplicates out."""
