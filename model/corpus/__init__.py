"""The tokens of a corpus: token files made from its shards, and the documents left out of training."""
