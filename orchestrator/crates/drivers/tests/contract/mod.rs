//! The cases, by what they are about.

pub mod calls;
pub mod faults;
pub mod fixture;
pub mod isolation;
pub mod leftovers;
pub mod life;
pub mod limits;
pub mod survivors;
