//! A process that serves, and a client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A process that serves; it ends when it is dropped.
pub(crate) struct Served {
    process: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Served {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let log = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let Some(line) = lines.next() else { panic!("it does not serve: {}", log.lock().unwrap()) };
            log.lock().unwrap().push_str(&(line.clone() + "\n"));
            if let Some((_, rest)) = line.split_once("serving on http://") {
                break rest.split(',').next().unwrap().to_owned();
            }
        };
        let more = Arc::clone(&log);
        // The pipe must be read on: once it is full, the server would block.
        std::thread::spawn(move || lines.for_each(|line| more.lock().unwrap().push_str(&(line + "\n"))));
        Self { process, address, log }
    }

    /// Returns host and port that it listens on.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns what it has logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.call("GET", path, &[], None)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Response {
        self.call("PUT", path, &[("If-None-Match", "*")], Some(body))
    }

    pub(crate) fn patch(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        self.call("PATCH", path, headers, Some(body))
    }

    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Response {
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = ("Content-Length", body.len().to_string());
        let known = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let mut lines: Vec<_> = known.chain((!body.is_empty()).then_some(length)).collect();
        if !body.is_empty() && lines.iter().all(|(name, _)| *name != "Content-Type") {
            lines.push(("Content-Type", "application/json".to_owned()));
        }
        let lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n",
            lines.concat()
        );
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response {
            status,
            head: head.to_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A response of the server.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Response {
    /// Asserts that this is a problem with that status, and returns its code.
    pub(crate) fn problem(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        self.body["code"].as_str().unwrap()
    }
}
