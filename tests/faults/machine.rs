//! I8 and I9: limits of the process and of the machine that the service runs on, and jumps of the clock.
