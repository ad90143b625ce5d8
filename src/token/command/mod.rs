//! The commands `fanfare token` and `fanfare check-token`: what they are told and what they print.
//!
//! Pure but for the JWKS, which a check may fetch. Owned by the binary. They must not print a
//! secret or a key.

mod explain;
mod make;

pub use self::{
    explain::{Explanation, explain},
    make::{TokenSpec, make},
};
