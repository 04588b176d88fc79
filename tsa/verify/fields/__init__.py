"""What stands in a message, read field by field as far as it can be: for tsa/verify/inspect.py to put together."""
