//! The service: settings, HTTP, and what runs behind it.

pub mod api;
pub mod app;
pub mod auth;
pub mod config;
pub mod controllers;
pub mod data_dir;
pub mod descriptors;
pub mod dispatch;
pub mod doctor;
pub mod error;
pub mod extract;
pub mod first_process;
pub mod json;
pub mod logging;
pub mod metrics;
pub mod middleware;
pub mod openapi;
pub mod recorder;
pub mod router;
pub mod serve;
pub mod settings;
pub mod table;
pub mod trace;
