//! What cannot be decoded, where the rest is read all the same.

use crate::StoreError;

/// What did not read, where the rest is gone through all the same.
#[derive(Debug, Default)]
pub struct Unread {
    passes: Passes,
    /// Why, for each place.
    pub errors: Vec<StoreError>,
}

/// What is gone past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Passes {
    #[default]
    Nothing,
    /// What does not decode. What is not given at all may be a database that is late, and then nothing else is given.
    Undecoded,
    /// That, too: the database is this process's own, and what it does not give is damaged.
    Anything,
}

impl Unread {
    /// For who goes past nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// For who goes past what does not read: of a database in this process, or of one elsewhere.
    pub fn of(is_here: bool) -> Self {
        let passes = if is_here { Passes::Anything } else { Passes::Undecoded };
        Self { passes, errors: Vec::new() }
    }

    /// Whether an error is gone past.
    pub fn passes(&self, error: &StoreError) -> bool {
        match error {
            StoreError::Newer { .. }
            | StoreError::Corrupt { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Conflict => self.passes != Passes::Nothing,
            StoreError::Unavailable { .. } | StoreError::Refused { .. } => self.passes == Passes::Anything,
        }
    }

    /// Goes past an error and notes it.
    ///
    /// # Errors
    /// The same error, if it is not gone past.
    pub fn pass(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !self.passes(&error) {
            return Err(error);
        }
        self.errors.push(error);
        Ok(())
    }
}
