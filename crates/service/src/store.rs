//! What is kept in DynamoDB.

pub mod key;
pub mod table;
