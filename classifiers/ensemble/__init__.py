"""The quality score: an ensemble of named, calibrated members."""
