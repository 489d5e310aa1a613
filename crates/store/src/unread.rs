//! Tolerance for data that cannot be read, where the rest is read all the same.

use crate::StoreError;

/// The errors that a reader may skip, and those that it skipped.
#[derive(Debug, Default)]
pub struct Unread {
    passes: Passes,
    /// The errors, one for each place.
    pub errors: Vec<StoreError>,
}

/// The kinds of errors that are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Passes {
    #[default]
    Nothing,
    /// Data that cannot be decoded. Data that the database does not return at all is an error: the database may be
    /// slow, and would return nothing else either.
    Undecoded,
    /// Those, and data that the database does not return: the database is in this process, and such data is damaged.
    Anything,
}

impl Unread {
    /// Skips nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Skips what cannot be read: of a database in this process (`is_here`), or of another one.
    pub fn of(is_here: bool) -> Self {
        let passes = if is_here { Passes::Anything } else { Passes::Undecoded };
        Self { passes, errors: Vec::new() }
    }

    /// Whether an error is skipped.
    pub fn passes(&self, error: &StoreError) -> bool {
        match error {
            StoreError::Newer { .. }
            | StoreError::Corrupt { .. }
            | StoreError::TooLarge { .. }
            | StoreError::TooMany { .. }
            | StoreError::Conflict => self.passes != Passes::Nothing,
            StoreError::Unavailable { .. } | StoreError::Refused { .. } => self.passes == Passes::Anything,
        }
    }

    /// Skips an error and notes it.
    ///
    /// # Errors
    /// The same error, if it may not be skipped.
    pub fn pass(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !self.passes(&error) {
            return Err(error);
        }
        self.errors.push(error);
        Ok(())
    }
}
