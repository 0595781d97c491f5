"""Folders in object storage: their addresses, objects and leases, and local copies of them."""
