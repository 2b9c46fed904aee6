"""The kernels in NumPy: always there, and the reference for the results of any other."""
