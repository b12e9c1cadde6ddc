"""A clip shown again: with what a run found drawn in, cut into presences, as a proxy, as a contact sheet."""
