//! Cases by name. Some share a served system: it starts with the first of them, and ends with the last.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use libtest_mimic::Trial;
use tempfile::TempDir;
use tests::served::Served;

/// A case of a kind; it fails by panicking, as tests do.
pub fn case(kind: &str, name: &str, tried: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(format!("{kind}::{name}"), move || {
        tried();
        Ok(())
    })
}

/// Functions as cases of a kind, by their names.
macro_rules! cases {
    ($kind:literal, $($name:ident),+ $(,)?) => {
        vec![$($crate::case::case($kind, stringify!($name), $name)),+]
    };
}
pub(crate) use cases;

type Start = Box<dyn FnOnce() -> (Served, TempDir) + Send>;

/// A served system of several cases.
#[derive(Clone)]
pub struct Shared(Arc<LazyLock<(Served, TempDir), Start>>);

impl Shared {
    /// A system that starts in a folder of its own when the first case needs it.
    pub fn new(start: impl FnOnce(&Path) -> Served + Send + 'static) -> Self {
        let start: Start = Box::new(|| {
            let folder = tempfile::tempdir().unwrap();
            (start(folder.path()), folder)
        });
        Self(Arc::new(LazyLock::new(start)))
    }
}

impl Deref for Shared {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0.0
    }
}
