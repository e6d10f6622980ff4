"""What single elements of a page say: tables, code, raised text, hidden text. No Beam, no model."""
