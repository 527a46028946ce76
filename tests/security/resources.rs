//! A: memory, processes, descriptors, disk and time.
