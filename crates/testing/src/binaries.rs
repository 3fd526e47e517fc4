//! Where the programs of PostgreSQL and PgBouncer are found.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says where the programs are, before everything else that is tried.
const BIN_DIR: &str = "POSTGRES_BIN_DIR";

/// The folders in which packagers put one folder for each major version.
const VERSIONED: [&str; 4] = ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt"];

/// The folder that has `initdb` and `postgres`.
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
        .chain(told_by_pg_config())
        .chain(newest_first())
        .find(|folder| has_server(folder))
        .unwrap_or_else(|| {
            panic!(
                "the tests need a PostgreSQL server (initdb and postgres, 14 or newer), and none is on the PATH, where pg_config \
                 points, or in /usr/lib/postgresql/*/bin. Install it (`make tools`, `apt-get install postgresql`, `brew install \
                 postgresql@17`) or set {BIN_DIR} to the folder of its programs."
            )
        })
}

/// A client program of PostgreSQL: beside the server, or where others are found.
pub(crate) fn client(name: &str) -> PathBuf {
    let beside = [postgres_folder().join(name)].into_iter().chain(program(name));
    let elsewhere = newest_first().into_iter().map(|folder| folder.join(name));
    beside.chain(elsewhere).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("the tests need {name}, and it is neither beside the PostgreSQL server nor on the PATH")
    })
}

/// A program that is on the PATH or in one of the folders where only root looks.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let rarely_on_the_path = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    on_path()
        .into_iter()
        .chain(rarely_on_the_path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn has_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("postgres").is_file()
}

fn on_path() -> Vec<PathBuf> {
    environment("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn told_by_pg_config() -> Option<PathBuf> {
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

/// `15`, `pgsql-15` and `postgresql@15` are folders of the major version 15.
fn major(name: &str) -> Option<u32> {
    ["postgresql@", "pgsql-", ""].iter().find_map(|prefix| name.strip_prefix(prefix))?.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "only tests use this crate, and they find their programs by the environment"
)]
fn environment(name: &str) -> Option<OsString> {
    env::var_os(name)
}
