//! From source to a version that runs: validate, install, build, register, health check.
