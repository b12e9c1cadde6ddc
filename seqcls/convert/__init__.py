"""A model converted for OpenVINO and ONNX Runtime, in int8 too, and a report on whether it answers alike."""
