"""What runs the network: the model file and its ONNX Runtime session."""
