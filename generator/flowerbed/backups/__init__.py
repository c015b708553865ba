"""The SuperLink's state in one file: taken while it works, put back when it is lost or wrong."""
