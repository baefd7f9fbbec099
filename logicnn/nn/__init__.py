"""Training with PyTorch and export to `logicnn.Network`: `logicnn.nn.binary` and `logicnn.nn.integer`, one for each
kind of network that there is.
"""
