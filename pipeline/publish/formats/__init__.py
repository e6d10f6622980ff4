"""The forms in which the corpus is published: Parquet with token counts, JSON lines, and token files."""
