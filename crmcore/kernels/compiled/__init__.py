"""The kernels in C, where they could be built: the same results, sooner."""
