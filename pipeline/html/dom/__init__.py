"""From a parsed page to its blocks: the table of its nodes, and the walk over it. The walk may be compiled."""
