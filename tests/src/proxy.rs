//! A proxy between a client and a server. It loses answers, and hides paths that a gateway does not know.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::served::PATIENCE;

#[derive(Debug)]
struct Loses {
    path: String,
    first: usize,
    then: usize,
}

/// The faults of the proxy, and the requests that it passed on.
#[derive(Debug, Default)]
struct Does {
    /// Answers that are lost by path, after the request was passed on and answered, once the first ones came through.
    loses: Vec<Loses>,
    /// Paths that are answered with API Gateway's 404.
    hides: Vec<String>,
    /// Requests passed on, as `METHOD /path`.
    passed: Vec<String>,
}

/// A proxy that runs until the test ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its URL.
    pub url: String,
    does: Arc<Mutex<Does>>,
}

impl Proxy {
    /// Starts a proxy in front of the server at an address.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let does = Arc::<Mutex<Does>>::default();
        let (address, doing) = (address.to_owned(), Arc::clone(&does));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (address, doing) = (address.clone(), Arc::clone(&doing));
                thread::spawn(move || pass(client, &address, &doing));
            }
        });
        Self { url, does }
    }

    /// Loses `answers` answers to requests whose path begins with `path`.
    ///
    /// # Panics
    /// If a thread of the proxy panicked.
    pub fn loses(&self, path: &str, answers: usize) {
        self.loses_after(path, 0, answers);
    }

    /// Passes the first answers to such requests on, and loses the `then` answers after them.
    ///
    /// # Panics
    /// If a thread of the proxy panicked.
    pub fn loses_after(&self, path: &str, first: usize, then: usize) {
        self.does.lock().unwrap().loses.push(Loses { path: path.to_owned(), first, then });
    }

    /// Hides paths that begin with `path`.
    ///
    /// # Panics
    /// If a thread of the proxy panicked.
    pub fn hides(&self, path: &str) {
        self.does.lock().unwrap().hides.push(path.to_owned());
    }

    /// The requests that were passed on, as `METHOD /path`.
    ///
    /// # Panics
    /// If a thread of the proxy panicked.
    pub fn passed(&self) -> Vec<String> {
        self.does.lock().unwrap().passed.clone()
    }
}

/// Passes on one request and its answer. A connection carries one of them.
fn pass(mut client: TcpStream, address: &str, does: &Mutex<Does>) {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let Some((head, body)) = read(&mut client) else { return };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap().to_owned());
    if does.lock().unwrap().hides.iter().any(|hidden| path.starts_with(hidden)) {
        let _ = client.write_all(
            b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 23\r\n\r\n{\"message\":\"Not Found\"}",
        );
        return;
    }
    does.lock().unwrap().passed.push(format!("{method} {path}"));
    let mut server = TcpStream::connect(address).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
    server.write_all(&body).unwrap();
    let mut answer = Vec::new();
    let _ = server.read_to_end(&mut answer);
    let is_lost = {
        let mut does = does.lock().unwrap();
        let of_path = |loses: &&mut Loses| path.starts_with(&loses.path) && loses.first + loses.then > 0;
        does.loses.iter_mut().find(of_path).is_some_and(|loses| {
            let is_lost = loses.first == 0;
            *(if is_lost { &mut loses.then } else { &mut loses.first }) -= 1;
            is_lost
        })
    };
    if !is_lost {
        let _ = client.write_all(&answer);
    }
}

/// The head without its blank line, and the body.
fn read(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut read, mut part) = (Vec::new(), [0; 64 * 1024]);
    loop {
        let end = read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(read[..end].to_vec()).ok()?;
            let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
            let length: usize = head.lines().find_map(length).unwrap_or(0);
            if read.len() >= end + 4 + length {
                return Some((head, read.split_off(end + 4)));
            }
        }
        match client.read(&mut part).ok()? {
            0 => return None,
            count => read.extend_from_slice(&part[..count]),
        }
    }
}
