"""Protocol parameters from an appetite: search, selection, one confirmation, and the proposal that holds their evidence."""
