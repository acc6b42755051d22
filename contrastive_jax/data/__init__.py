"""Data on the host: sources of images, decoding, the order of examples, and batches on the devices.

`sources.open_split("tfds:cifar10", "train")` returns a `Dataset` (in memory) or `EncodedImages` (decoded when needed).
An `Order` says which examples a step sees. `batches`, `resident` and `stream` make the batch of a step: from memory
on the host, from device memory, and from background threads or processes. All three give the same batch.
"""
