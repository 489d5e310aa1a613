//! The draft of a shop's program: one row, which need not be valid yet. Its revision detects two people who save at
//! once.

use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::commit::Commit;
use super::item::Item;
use super::{Store, StoreError, key};
use crate::shop::ShopId;

const PROGRAM: &str = "program";
const BY: &str = "by";
const AT: &str = "at";

/// A draft as it was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedDraft {
    /// The program, as it was written.
    pub program: Value,
    /// The person who saved it.
    pub by: String,
    /// When it was saved.
    pub at: Instant,
    /// The number of times it was saved. The next save must name it.
    pub revision: u64,
}

impl Store {
    /// The draft of a shop's program, if there is one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn saved_draft(&self, shop: &ShopId) -> Result<Option<SavedDraft>, StoreError> {
        let key = key::draft(shop);
        let found = self.get_all(&self.tables.control, std::iter::once(&key)).await?;
        let read = |row: &Item| {
            let program = serde_json::from_str(row.need_text(PROGRAM)?);
            let program = program.map_err(|error| row.corrupt(format!("{PROGRAM}: {error}")))?;
            let at = Instant::parse(row.need_text(AT)?).map_err(|_| row.corrupt(AT))?;
            Ok(SavedDraft { program, by: row.need_text(BY)?.to_owned(), at, revision: row.version()? })
        };
        found.first().map(read).transpose()
    }

    /// Saves a draft over the known revision, or over none if there is no draft yet. Yields the new revision.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the draft has another revision by now.
    pub async fn save_draft(
        &self,
        shop: &ShopId,
        program: &Value,
        (by, at): (&str, Instant),
        over: Option<u64>,
    ) -> Result<u64, StoreError> {
        let item = Item::at(&key::draft(shop)).text(PROGRAM, program.to_string()).text(BY, by).text(AT, key::at(at));
        let mut commit = Commit::default();
        commit.row(self, item, over)?;
        self.commit(commit).await?;
        Ok(over.unwrap_or(0).saturating_add(1))
    }

    /// Discards the draft, whatever its revision.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn discard_draft(&self, shop: &ShopId) -> Result<(), StoreError> {
        self.delete(&self.tables.control, &Item::at(&key::draft(shop)), None).await
    }
}
