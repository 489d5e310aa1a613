//! What of the command is pure, and can be asked without it: [`import`] reads tables of orders into facts. Everything
//! else is the command itself, and its own.

pub mod import;
