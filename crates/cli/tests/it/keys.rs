//! `key`, and a server that requires keys.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::Installation;

/// Runs a command that must succeed, and returns standard output and standard error.
fn printed(here: &Installation, args: &[&str]) -> (String, String) {
    let output = here.run(args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{args:?}: {errors}");
    (String::from_utf8(output.stdout).unwrap(), errors)
}

#[test]
fn a_token_is_printed_once_and_alone() {
    let here = Installation::new();
    let create = ["key", "create", "--tenant", "default", "--scope", "write", "--name", "ci"];
    let (token, about) = printed(&here, &create);
    assert!(token.starts_with("cs_") && token.trim_end().lines().count() == 1, "{token}");
    assert!(about.contains("ci") && about.contains("write") && !about.contains(token.trim_end()), "{about}");
    let (listed, _) = printed(&here, &["key", "list", "--output", "json"]);
    let secret = token.trim_end().rsplit_once('_').unwrap().1;
    assert!(!listed.contains(secret), "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let key = &listed["items"][0];
    assert_eq!(
        (&key["tenant_id"], &key["scope"], &key["name"]),
        (&json!("default"), &json!("write"), &json!("ci"))
    );
    assert!(token.contains(key["id"].as_str().unwrap()));
}

#[test]
fn keys_are_listed_by_tenant_revoked_and_rotated() {
    let here = Installation::new();
    here.json(&["tenant", "create", "other"]);
    let ends = "2090-01-01T00:00:00Z";
    let operator =
        here.json(&["key", "create", "--scope", "operator", "--name", "ops", "--expires-at", ends]);
    assert_eq!((&operator["tenant_id"], &operator["scope"]), (&Value::Null, &json!("operator")));
    assert!(operator["token"].as_str().unwrap().starts_with("cs_"));
    let other = here.json(&["key", "create", "--tenant", "other", "--scope", "read", "--name", "r"]);
    let id = other["id"].as_str().unwrap();
    assert_eq!(here.json(&["key", "list"])["items"].as_array().unwrap().len(), 2);
    assert_eq!(here.json(&["key", "list", "--tenant", "other"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(here.json(&["key", "list", "--tenant", "default"])["items"], json!([]));
    let rotated = here.json(&["key", "rotate", id, "--ends-at", ends]);
    assert_eq!((&rotated["name"], &rotated["scope"]), (&json!("r"), &json!("read")));
    let listed = here.json(&["key", "list", "--tenant", "other"]);
    assert_eq!(listed["items"][0]["revoked_at"], "2090-01-01T00:00:00.000000Z");
    assert_eq!(here.json(&["key", "revoke", id]), json!({"revoked": id}));
    let listed = here.json(&["key", "list", "--tenant", "other"]);
    assert!(listed["items"][0]["revoked_at"].as_str().unwrap() < "2090");
    assert!(here.fails(1, &["key", "rotate", id]).contains(id));
    assert!(here.fails(1, &["key", "revoke", &"0".repeat(32)]).contains("no key"));
}

#[test]
fn bad_keys_are_refused() {
    let here = Installation::new();
    let create = |more: &[&'static str]| [&["key", "create", "--name", "n"], more].concat();
    for (args, says) in [
        (create(&["--scope", "read"]), "--tenant"),
        (create(&["--scope", "operator", "--tenant", "default"]), "--tenant"),
        (create(&["--scope", "all"]), "--scope"),
        (create(&["--scope", "operator", "--expires-at", "soon"]), "RFC 3339"),
        (create(&["--scope", "operator", "--expires-at", "2001-01-01T00:00:00Z"]), "past"),
        (vec!["key", "create", "--scope", "operator", "--name", ""], "name"),
        (vec!["key", "create", "--scope", "operator"], "--name"),
        (vec!["key", "revoke", "x"], "32 hexadecimal"),
        (vec!["key", "rotate", "x"], "32 hexadecimal"),
        (vec!["key", "list", "--tenant", "A"], "tenant id"),
    ] {
        let errors = here.fails(2, &args);
        assert!(errors.contains(says), "{args:?}: {errors}");
    }
    let missing = create(&["--scope", "read", "--tenant", "missing"]);
    assert!(here.fails(1, &missing).contains("missing"));
}

#[test]
fn doctor_says_whether_keys_exist() {
    let here = Installation::new();
    let keys = || here.json(&["doctor"])["facts"]["API keys"].as_str().unwrap().to_owned();
    assert!(keys().starts_with("none"));
    let key = here.json(&["key", "create", "--scope", "operator", "--name", "ops"]);
    here.json(&["key", "create", "--scope", "operator", "--name", "ops"]);
    here.json(&["key", "revoke", key["id"].as_str().unwrap()]);
    assert_eq!(keys(), "1 of 2 can be used");
}

/// A server of the installation.
struct Server {
    process: Child,
    address: String,
    /// What it logged before it served.
    logged: String,
}

impl Server {
    fn start(here: &Installation, more: &[&str]) -> Self {
        let args = [&["serve"][..], more].concat();
        let mut process =
            here.command(&args).env("LISTEN_ADDR", "127.0.0.1:0").stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut logged = String::new();
        let address = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, rest)) = line.split_once("serving on http://") {
                break rest.split(',').next().unwrap().to_owned();
            }
            logged.push_str(&line);
        };
        // The pipe must be read on: once it is full, the server would block.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address, logged }
    }

    /// Returns the status of a request for the tenant's global node.
    fn status(&self, authorization: Option<&str>) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let header =
            authorization.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let host = &self.address;
        let request = format!(
            "GET /v1/tenants/default/tree HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response.split(' ').nth(1).unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_server_requires_keys_if_configured() {
    let here = Installation::new();
    let key = here.json(&["key", "create", "--tenant", "default", "--scope", "read", "--name", "r"]);
    let token = key["token"].as_str().unwrap();
    let open = Server::start(&here, &[]);
    assert!(open.logged.contains("API keys") && open.logged.contains("--auth keys"), "{}", open.logged);
    assert_eq!(open.status(None), "200");
    let asking = Server::start(&here, &["--auth", "keys"]);
    assert_eq!(asking.logged, "");
    assert_eq!((asking.status(None).as_str(), asking.status(Some(token)).as_str()), ("401", "200"));
    here.json(&["key", "revoke", key["id"].as_str().unwrap()]);
    assert_eq!(asking.status(Some(token)), "401");
    here.write("settings.toml", "auth = \"keys\"\n");
    let configured = Server::start(&here, &["--config", "settings.toml"]);
    assert!(configured.logged.contains("none that works"), "{}", configured.logged);
    assert_eq!(configured.status(None), "401");
    let overridden = Server::start(&here, &["--config", "settings.toml", "--auth", "none"]);
    assert_eq!(overridden.status(None), "200");
}

#[test]
fn beyond_loopback_a_server_requires_keys_or_insecure_no_auth() {
    let here = Installation::new();
    let refused = here.fails(2, &["serve", "--listen", "0.0.0.0:0"]);
    assert!(refused.contains("--auth keys") && refused.contains("--insecure-no-auth"), "{refused}");
    let both = here.fails(2, &["serve", "--listen", "0.0.0.0:0", "--auth", "keys", "--insecure-no-auth"]);
    assert!(both.contains("choose one"), "{both}");
    here.write("settings.toml", "auth = \"key\"\n");
    let unknown = here.fails(2, &["--config", "settings.toml", "serve"]);
    assert!(unknown.contains("auth"), "{unknown}");
    drop(Server::start(&here, &["--auth", "keys", "--listen", "0.0.0.0:0"]));
}
