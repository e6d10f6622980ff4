"""The publish job: documents and duplicates in, the corpus out."""
