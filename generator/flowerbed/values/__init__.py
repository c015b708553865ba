"""Values for the charts, and the words that go with them: plain data, then text with comments.

`superlink_values` and `supernode_values` give the data, `render` the text; the text parses back to the data.
"""
