"""Characters, words, sentences, n-grams."""
