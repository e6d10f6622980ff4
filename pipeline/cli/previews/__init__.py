"""Commands that answer before a run, or between two: try some pages, other thresholds, two outputs side by side."""
