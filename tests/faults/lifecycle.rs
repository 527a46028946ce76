//! I1 and I2: the end of the service, asked for and not, under load; the death of what is between it and a function.

mod building;
mod ending;
mod killed;
mod parts;
