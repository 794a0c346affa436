"""From the facts of a run to a page, a terminal table or a notebook cell."""
