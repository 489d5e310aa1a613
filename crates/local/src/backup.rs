//! A copy of a served store, sent over HTTP to the caller.

use std::fs::File;
use std::io::Read;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use embedded_dynamodb::{Snapshot, SnapshotError, Store};
use http_api::problem::{Problem, ProblemCode};
use tokio::sync::mpsc;

/// The header with the number of items in the copy.
pub const ITEMS: &str = "x-echelon-items";

/// The size of a part of the copy in bytes, and the number of parts that wait for a slow reader.
const PART_BYTES: usize = 256 * 1024;
const PARTS: usize = 4;

/// A copy of a store as it is now. The copy is complete and checked before the first byte is sent.
///
/// # Errors
/// A problem if there is no file, or it cannot be copied.
pub async fn answer(store: Option<&Store>) -> Result<Response, Problem> {
    let store = store.ok_or_else(|| {
        let remedy = "use the backups of the database behind the endpoint";
        impossible("what is served here lies behind a DynamoDB endpoint", remedy)
    })?;
    let snapshot = store.snapshot().await.map_err(wrong)?;
    let contents = snapshot.contents();
    let headers = [
        (CONTENT_TYPE.as_str(), "application/vnd.sqlite3".to_owned()),
        (CONTENT_LENGTH.as_str(), contents.bytes.to_string()),
        (ITEMS, contents.items.to_string()),
    ];
    let (parts, told) = mpsc::channel(PARTS);
    // The task ends with the file, or when the reader is gone.
    tokio::task::spawn_blocking(move || tell(&snapshot, &parts));
    let told = futures::stream::unfold(told, |mut told| async { told.recv().await.map(|part| (part, told)) });
    Ok((headers, Body::from_stream(told)).into_response())
}

fn tell(snapshot: &Snapshot, parts: &mpsc::Sender<std::io::Result<Bytes>>) {
    let mut file = match File::open(snapshot.path()) {
        Ok(file) => file,
        Err(error) => return drop(parts.blocking_send(Err(error))),
    };
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let read = file.by_ref().take(PART_BYTES as u64).read_to_end(&mut part);
        let part = match read {
            Ok(0) => return,
            Ok(_) => Ok(Bytes::from(part)),
            Err(error) => Err(error),
        };
        let is_last = part.is_err();
        if parts.blocking_send(part).is_err() || is_last {
            return;
        }
    }
}

fn wrong(error: SnapshotError) -> Problem {
    if matches!(error, SnapshotError::NoFile) {
        return impossible(&error.to_string(), "start it with --data FILE");
    }
    tracing::error!(%error, "no backup was made");
    let remedy = match error {
        SnapshotError::Damaged { .. } => "keep the file as it is, and restore the last backup under another name",
        SnapshotError::NoFile | SnapshotError::Files { .. } | SnapshotError::Unopened { .. } => {
            "make room beside the store's file for a second one of its size, and ask again"
        }
    };
    Problem::new(ProblemCode::BackupFailed, error.to_string(), remedy)
}

fn impossible(detail: &str, remedy: &str) -> Problem {
    Problem::new(ProblemCode::NoFile, detail, remedy)
}
