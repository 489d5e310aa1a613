//! Everything around the rules that touches the world. So far: the shapes that the outside gives things.

#![deny(missing_docs)]

pub mod wire;
