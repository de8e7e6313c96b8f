"""Bundles: memories as lines of JSON that leave one service and enter another (docs/reference/bundle.md).

The first line is a header, the last one an end that counts and sums up what stands between them; each line in between is one
record. `framing` knows the first and the last line, `records` what may stand on the others, `spans` when what a memory said
was to be found.
"""
