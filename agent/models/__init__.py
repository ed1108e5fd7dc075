"""Tenants of the ports that need a model or a voice: one heavy library per file, imported inside."""
