"""The bundled GPT trainer. It reads a corpus's Parquet shards and tokenizer, and imports nothing of the pipeline."""
