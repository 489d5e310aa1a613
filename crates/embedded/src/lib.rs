//! A DynamoDB-compatible store in this process, behind the ordinary SDK client.
