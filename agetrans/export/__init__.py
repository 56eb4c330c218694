"""Models that travel: snapshots as SavedModel, ONNX and LiteRT, each held against the Keras model before it counts."""
