"""The engine's loops over characters, blocks and containers, in plain Python that Cython compiles where it can.

Beside each module a .pxd file of the same name holds the C types; without a compiler the module runs as it is, and
finds the same. Arrays come as memoryviews (`array.data`), whose elements are plain numbers in Python, too.
"""
