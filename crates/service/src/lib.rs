//! Everything around the rules that touches the world. So far: the shapes that the outside gives things, and a shop of
//! our own making.

#![deny(missing_docs)]

pub mod sample;
pub mod wire;
