//! The built functions, behind Lambda's runtime API as cargo-lambda emulates it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::built::built;

/// Long enough for a function on a very busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An event of `tests/events`.
pub fn event(name: &str) -> Value {
    let path = root().join(format!("tests/events/{name}.json"));
    serde_json::from_str(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// The emulator. It ends with its standard input, and therefore with this process.
pub struct Emulator {
    port: u16,
    process: Child,
}

impl Emulator {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(root().join("tests/servers/lambda"));
        let mut process = command.args(["run", &port.to_string()]).stdin(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "no cargo-lambda: `tests/servers/lambda fetch` fetches it, or says what is missing"
            );
            assert!(begun.elapsed() < PATIENCE, "cargo-lambda does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { port, process }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A function, as a deployment would start it.
pub struct Function {
    name: &'static str,
    port: u16,
    process: Child,
    log: PathBuf,
}

impl Function {
    /// Starts a built function with this environment and no other.
    pub fn start(emulator: &Emulator, name: &'static str, environment: &[(&str, String)]) -> Self {
        let port = emulator.port;
        let built = built(name);
        let log = built.with_file_name(format!("{name}-{}-{port}.log", std::process::id()));
        let output = File::create(&log).unwrap();
        let mut command = Command::new(&built);
        command.env_clear().stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        command.env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt/{name}"));
        command.env("AWS_LAMBDA_FUNCTION_NAME", name);
        command.env("AWS_LAMBDA_FUNCTION_VERSION", "1").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self { name, port, process: command.spawn().unwrap(), log }
    }

    /// Invokes the function with an event; returns its answer.
    pub async fn invoke(&self, event: &Value) -> Value {
        let (name, port, body) = (self.name, self.port, event.to_string());
        let answered = tokio::task::spawn_blocking(move || post(port, name, &body)).await.unwrap();
        let (head, body) = answered.split_once("\r\n\r\n").unwrap_or((&answered, ""));
        assert!(head.contains(" 200 "), "{answered}\n{}", self.log());
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {body}\n{}", self.log()))
    }

    /// Everything that it has written.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The lines of metrics that it has written, as CloudWatch reads them.
    pub fn metrics(&self) -> Vec<Value> {
        let lines = self.log().lines().map(str::to_owned).collect::<Vec<_>>();
        let read = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        lines.iter().map(read).filter(|line: &Value| line.get("_aws").is_some()).collect()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// Posts an event to the emulator; returns the whole answer as text.
fn post(port: u16, function: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = format!("/2015-03-31/functions/{function}/invocations");
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("no answer of `{function}`: {error}"));
    answer
}
