"""The engine gristmill: blocks of a page, scored by a small trained model."""
