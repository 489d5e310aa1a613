//! The pure part of the command, which can be used without it: [`import`] reads tables of orders into facts. Everything
//! else belongs to the command itself.

pub mod import;
