//! The service: configuration, how its parts come up and go down, and what looks at the machine.

pub mod app;
pub mod config;
pub mod data_dir;
pub mod descriptors;
pub mod doctor;
pub mod first_process;
pub mod logging;
pub mod pool_metrics;
pub mod serve;
