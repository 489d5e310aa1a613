//! A receiver of webhooks with programmable answers, over HTTP or HTTPS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::common::eventually;

/// A posted event, and the answer to it.
#[derive(Debug, Clone)]
pub struct Post {
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The body, decoded.
    pub event: Value,
    /// The answer.
    pub status: u16,
}

impl Post {
    /// A header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The member that the event is about.
    pub fn member(&self) -> &str {
        self.event["member_id"].as_str().unwrap_or_default()
    }
}

/// The answer to an event: a delay and a status.
type Answer = dyn Fn(&Value) -> (Duration, u16) + Send + Sync;

/// A receiver that remembers webhooks.
pub struct Receiver {
    scheme: &'static str,
    address: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Receiver {
    /// A receiver on a free port.
    pub fn http(answer: impl Fn(&Value) -> (Duration, u16) + Send + Sync + 'static) -> Self {
        Self::start("http", None, Arc::new(answer))
    }

    /// The same over HTTPS, with the certificate of the tests.
    pub fn https(answer: impl Fn(&Value) -> (Duration, u16) + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../../data/tls/server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../data/tls/server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate], key).unwrap();
        Self::start("https", Some(Arc::new(config)), Arc::new(answer))
    }

    fn start(scheme: &'static str, tls: Option<Arc<ServerConfig>>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let posts = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&posts);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, answer, heard) = (tls.clone(), Arc::clone(&answer), Arc::clone(&heard));
                thread::spawn(move || match tls {
                    Some(tls) => talk(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &*answer, &heard),
                    None => talk::<TcpStream>(stream, &*answer, &heard),
                });
            }
        });
        Self { scheme, address, posts }
    }

    /// The URL.
    pub fn url(&self) -> String {
        format!("{}://{}/hook", self.scheme, self.address)
    }

    /// The posts received by now.
    pub fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The accepted posts, once a condition holds for them.
    pub fn taken_once(&self, is_so: impl Fn(&[Post]) -> bool) -> Vec<Post> {
        let taken = || self.posts().into_iter().filter(|post| post.status == 200).collect::<Vec<_>>();
        assert!(eventually(|| is_so(&taken())), "{:?}", self.posts());
        taken()
    }
}

fn talk<S: Read + Write>(stream: S, answer: &Answer, posts: &Mutex<Vec<Post>>) {
    let mut stream = BufReader::new(stream);
    while hear(&mut stream, answer, posts).is_some() {}
}

fn hear<S: Read + Write>(stream: &mut BufReader<S>, answer: &Answer, posts: &Mutex<Vec<Post>>) -> Option<()> {
    let (mut headers, mut line) = (Vec::new(), String::new());
    while stream.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        line.clear();
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let event = serde_json::from_str(&body).ok()?;
    let (wait, status) = answer(&event);
    thread::sleep(wait);
    posts.lock().unwrap().push(Post { headers, body, event, status });
    let said = format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n");
    stream.get_mut().write_all(said.as_bytes()).ok()?;
    stream.get_mut().flush().ok()
}
