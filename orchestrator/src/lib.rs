//! The service: settings, HTTP, and what runs behind it.

pub mod config;
pub mod data_dir;
pub mod error;
pub mod extract;
pub mod recorder;
pub mod settings;
pub mod table;
