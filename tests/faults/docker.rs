//! I3 to I5: the Docker daemon restarts, hangs, fails and vanishes; images and containers that are not as they were left.

mod engine;
mod neighbours;
mod private;
mod proxy;
mod sick;
mod start;
