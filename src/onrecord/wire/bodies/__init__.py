"""The members of every request body, with the words that the OpenAPI document uses for them.

The order of a table is the order in which faults are reported.
"""
