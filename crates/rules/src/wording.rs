//! Explanations, history and notices in sentences.

pub mod prose;
