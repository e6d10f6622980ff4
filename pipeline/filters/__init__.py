"""Quality filters: text statistics and the published thresholds on them."""
