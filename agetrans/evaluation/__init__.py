"""Figures of a snapshot, by judges that no training ever saw."""
