"""Checks that derive the answers of the native question set without reading them off the references."""
