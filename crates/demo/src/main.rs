//! A demonstration of the engine that needs no preparation and builds quickly.

use std::io::{ErrorKind, Write, stderr};
use std::process::ExitCode;

use rules::calendar::Zones;

fn main() -> ExitCode {
    let shown = demo::demonstrate(demo::FIRST, &Zones::built_in(), None, |_| {});
    let shown = shown.map_err(|error| error.to_string()).and_then(|report| {
        let written = writeln!(anstream::stdout(), "{}", demo::page(&report, None));
        // A reader that closes the pipe, as `head` does, has seen enough.
        written.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error.to_string()) })
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(stderr(), "error: {why}");
            ExitCode::from(2)
        }
    }
}
