"""Models as OpenVINO graphs, converted once and kept."""
