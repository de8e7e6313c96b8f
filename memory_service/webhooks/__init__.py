"""Telling others of changes over HTTP: what is said, how it is signed, where it may go, when it is tried again."""
