"""An optional model that reads a query and a text together."""
