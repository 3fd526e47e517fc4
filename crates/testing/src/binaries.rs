//! Finds the programs of PostgreSQL and PgBouncer.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variable that names the folder of the programs; it is tried first.
const BIN_DIR: &str = "POSTGRES_BIN_DIR";

/// Folders in which packages install one folder per major version.
const VERSIONED: [&str; 4] = ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt"];

/// Finds the folder with `initdb` and `postgres`.
pub(crate) fn postgres_folder() -> PathBuf {
    if let Some(folder) = environment(BIN_DIR).map(PathBuf::from) {
        assert!(
            has_server(&folder),
            "{BIN_DIR} is {}, which has no initdb and postgres: the tests need both",
            folder.display()
        );
        return folder;
    }
    on_path()
        .into_iter()
        .chain(folder_of_pg_config())
        .chain(newest_first())
        .find(|folder| has_server(folder))
        .unwrap_or_else(|| {
            panic!(
                "the tests need a PostgreSQL server (initdb and postgres, 14 or newer), but none was found \
                 on the PATH, by pg_config, or in /usr/lib/postgresql/*/bin. Install it (`make tools`, \
                 `apt-get install postgresql`, `brew install postgresql@17`) or set {BIN_DIR} to the folder \
                 of its programs."
            )
        })
}

/// Finds a client program of PostgreSQL: in the folder of the server, on the PATH, or in a package's folder.
pub(crate) fn client(name: &str) -> PathBuf {
    let first = [postgres_folder().join(name)].into_iter().chain(program(name));
    let packaged = newest_first().into_iter().map(|folder| folder.join(name));
    first.chain(packaged).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("the tests need {name}, but it is neither in the PostgreSQL server's folder nor on the PATH")
    })
}

/// Finds a program on the PATH or in a folder for system programs.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let system_folders = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    on_path().into_iter().chain(system_folders).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

fn on_path() -> Vec<PathBuf> {
    environment("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn folder_of_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim_end()))
}

fn newest_first() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = VERSIONED
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((major(&entry.file_name().into_string().ok()?)?, entry.path().join("bin"))))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// Reads the major version from a folder's name: `15`, `pgsql-15` and `postgresql@15` are of version 15.
fn major(name: &str) -> Option<u32> {
    ["postgresql@", "pgsql-", ""].iter().find_map(|prefix| name.strip_prefix(prefix))?.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "only tests use this crate, and the environment says where their programs are"
)]
fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}
