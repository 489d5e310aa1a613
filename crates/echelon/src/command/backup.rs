//! `echelon backup` and `echelon restore`: copies a store's file while it is served, checks the copy, and puts one in
//! place.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use axum::http::{Method, Request, StatusCode};
use embedded_dynamodb::{Contents, SnapshotError, Store, examine, private};
use http_api::problem::Problem;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local::backup::ITEMS;

use crate::command::serve::runtime;
use crate::command::system::refused;
use crate::error::CommandError;
use crate::input::why_unreadable;
use crate::output::{counted, print};
use crate::sink::is_beside_no_store;

/// Copies everything into one file, while the system runs
///
/// The copy is the store as it was at one instant: every event that was accepted before is in it. It is checked page by
/// page and item by item before it gets its name. Until then, and if anything goes wrong, an existing file with that
/// name stays as it is. Only its owner may read it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echelon backup monday.db                           from `echelon serve`
  echelon backup monday.db --url http://127.0.0.1:8700 --token $ECHELON_TOKEN
  echelon backup monday.db --data echelon.db         where nothing is served
  echelon restore monday.db --data new.db            and back

To copy the file itself while it is served loses what was written last, without
a word. A served system needs a token of scope admin, and room beside its file
for a second one of the same size while it copies.

Exit codes: 0 the copy is there and whole; 2 there is none, and why.")]
pub struct Args {
    /// The file to make
    #[arg(value_name = "FILE")]
    to: PathBuf,

    /// The URL of `echelon serve`
    #[arg(long, value_name = "URL", conflicts_with = "data", default_value = "http://127.0.0.1:8700")]
    url: String,

    /// A token of scope admin
    #[arg(long, value_name = "TOKEN", env = "ECHELON_TOKEN", hide_env_values = true)]
    token: Option<String>,

    /// Or the file of a stopped system
    #[arg(long, value_name = "SOURCE")]
    data: Option<PathBuf>,

    /// Replaces an existing file
    #[arg(long)]
    force: bool,
}

/// Puts a copy made by `echelon backup` in place, as the file of a system
///
/// The copy is checked first, and stays where it is. No existing file is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echelon restore monday.db --data restored.db
  echelon verify --data restored.db
  echelon serve --data restored.db

Events that were announced after the copy was made are announced again as far as
they happen again: what is sent to the system a second time counts once.

Exit codes: 0 it is in place; 2 it is not, and why.")]
pub struct RestoreArgs {
    /// The copy
    #[arg(value_name = "FILE")]
    from: PathBuf,

    /// The file to make
    #[arg(long, value_name = "NEW")]
    data: PathBuf,
}

/// Runs `backup`.
///
/// # Errors
/// Why there is no copy.
pub fn run(args: &Args) -> Result<(), CommandError> {
    runtime()?.block_on(back_up(args))
}

/// Runs `restore`.
///
/// # Errors
/// Why nothing was put in place.
pub fn restore(args: &RestoreArgs) -> Result<(), CommandError> {
    let RestoreArgs { from, data } = args;
    let target = Target::new(data, false)?;
    let log = beside(from, "-wal");
    if log.exists() {
        return Err(CommandError::input(format!(
            "{}: `{}` lies beside it and has what was written last: this is a store rather than a copy; make one with `echelon backup FILE --data {}`",
            from.display(),
            log.display(),
            from.display()
        )));
    }
    let wrong = |error: io::Error| CommandError::input(format!("{}: {error}", from.display()));
    let unreadable =
        |error: io::Error| CommandError::input(format!("{}: {}", from.display(), why_unreadable(from, &error)));
    let mut read = fs::File::open(from).map_err(unreadable)?;
    if read.metadata().map_err(wrong)?.is_dir() {
        return Err(CommandError::input(format!("{} is a folder: name the copy", from.display())));
    }
    io::copy(&mut read, &mut target.file()?).map_err(|error| target.wrong(&error))?;
    let contents = target.put(None).map_err(|error| naming(error, &target.part, from))?;
    print(&format!("{} has all of {}: {}", data.display(), from.display(), said(&contents)))
}

async fn back_up(args: &Args) -> Result<(), CommandError> {
    let target = Target::new(&args.to, args.force)?;
    let items = match &args.data {
        Some(source) => copy(source, &target).await?,
        None => fetch(&args.url, args.token.as_deref(), &target).await?,
    };
    let contents = target.put(Some(items))?;
    print(&format!("{} is whole: {}", args.to.display(), said(&contents)))
}

fn said(contents: &Contents) -> String {
    let items = usize::try_from(contents.items).unwrap_or(usize::MAX);
    format!("{} in {} bytes, looked through", counted(items, "item"), contents.bytes)
}

/// Copies the file of a stopped system; returns the number of its items.
async fn copy(source: &Path, target: &Target) -> Result<u64, CommandError> {
    let wrong = |error: SnapshotError| CommandError::input(format!("{}: {error}", source.display()));
    let store = Store::open_existing(source).map_err(|error| CommandError::input(error.in_full()))?;
    let snapshot = store.snapshot().await.map_err(wrong)?;
    let read = fs::File::open(snapshot.path());
    let copied = read.and_then(|mut read| io::copy(&mut read, &mut target.create()?));
    copied.map_err(|error| target.wrong(&error))?;
    Ok(snapshot.contents().items)
}

/// Fetches the copy of a served system; returns the number of items that it announces.
async fn fetch(url: &str, token: Option<&str>, target: &Target) -> Result<u64, CommandError> {
    let wrong = |what: &dyn std::fmt::Display| {
        CommandError::input(format!("{url}: {what}\n       nothing was kept; name a stopped system's file with --data"))
    };
    let mut request = Request::builder().method(Method::POST).uri(format!("{}/backup", url.trim_end_matches('/')));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Full::<axum::body::Bytes>::default()).map_err(|error| wrong(&error))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await;
    let answer = answer.map_err(|error| match std::error::Error::source(&error) {
        Some(source) => wrong(&format!("{error}: {source}")),
        None => wrong(&error),
    })?;
    let (parts, mut body) = answer.into_parts();
    if parts.status != StatusCode::OK {
        let said = body.collect().await.map_err(|error| wrong(&error))?.to_bytes();
        let problem = serde_json::from_slice::<Problem>(&said).map_err(|_| wrong(&parts.status))?;
        return Err(refused(url, &problem));
    }
    let items = parts.headers.get(ITEMS).and_then(|items| items.to_str().ok()?.parse().ok());
    let items = items.ok_or_else(|| wrong(&"gives an unknown answer"))?;
    let mut file = target.file()?;
    // A body that is shorter than announced is an error.
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| wrong(&format!("it broke off: {error}")))?;
        if let Some(part) = frame.data_ref() {
            file.write_all(part).map_err(|error| target.wrong(&error))?;
        }
    }
    Ok(items)
}

/// A file that gets its name when it is complete.
struct Target {
    path: PathBuf,
    part: PathBuf,
    force: bool,
}

impl Target {
    fn new(path: &Path, force: bool) -> Result<Self, CommandError> {
        let target = Self { path: path.to_owned(), part: beside(path, ".part"), force };
        if path.is_dir() {
            return Err(CommandError::input(format!("{} is a folder: name a file in it", path.display())));
        }
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(CommandError::input(format!("{} is a pipe or a device: name a file", path.display())));
        }
        if path.exists() && !force {
            return Err(target.exists());
        }
        is_beside_no_store(path)?;
        for log in [beside(path, "-wal"), beside(path, "-journal")] {
            if log.exists() {
                let (log, path) = (log.display(), path.display());
                return Err(CommandError::input(if target.path.exists() {
                    format!(
                        "`{path}` is in use, or was left by a crash: `{log}` has what was written last. Name another file"
                    )
                } else {
                    format!(
                        "`{log}` belongs to another file `{path}`, and would be taken for this one's: move it away, or name another file"
                    )
                }));
            }
        }
        Ok(target)
    }

    fn exists(&self) -> CommandError {
        let path = self.path.display();
        CommandError::input(format!("{path} exists, and nothing is written over: name another file"))
    }

    fn wrong(&self, error: &io::Error) -> CommandError {
        CommandError::input(format!("{}: {error}; nothing was kept", self.path.display()))
    }

    fn create(&self) -> io::Result<fs::File> {
        match fs::remove_file(&self.part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        private().create_new(true).write(true).open(&self.part)
    }

    fn file(&self) -> Result<fs::File, CommandError> {
        self.create().map_err(|error| self.wrong(&error))
    }

    /// Checks the file and gives it its name.
    fn put(&self, items: Option<u64>) -> Result<Contents, CommandError> {
        let contents = examine(&self.part).map_err(|error| CommandError::input(error.to_string()))?;
        if items.is_some_and(|items| items != contents.items) {
            return Err(CommandError::input(format!(
                "{}: {} items arrived, and not the {} that were sent; nothing was kept",
                self.path.display(),
                contents.items,
                items.unwrap_or_default()
            )));
        }
        let named = if self.force { fs::rename(&self.part, &self.path) } else { self.name_new() };
        match named {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(self.exists()),
            named => named.map_err(|error| self.wrong(&error))?,
        }
        // The name is flushed to disk, too.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let _ = fs::File::open(folder.unwrap_or_else(|| Path::new("."))).and_then(|folder| folder.sync_all());
        Ok(contents)
    }

    /// Creates a hard link, which fails if the file exists; a rename would replace it.
    fn name_new(&self) -> io::Result<()> {
        match fs::hard_link(&self.part, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) => Ok(()),
            // Some file systems have no hard links.
            Err(_) if !self.path.exists() => fs::rename(&self.part, &self.path),
            Err(error) => Err(error),
        }
    }
}

/// In every case, no file is left under the temporary name.
impl Drop for Target {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}

/// An error about the part is reported as one about the file that was copied.
fn naming(failure: CommandError, part: &Path, from: &Path) -> CommandError {
    match failure {
        CommandError::Input(said) => {
            let part = part.display().to_string();
            CommandError::Input(format!("{}: {}", from.display(), said.replace(&part, &from.display().to_string())))
        }
        CommandError::Findings => failure,
    }
}
