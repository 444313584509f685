"""Executors: worker processes on this computer, and Ray."""
