//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Reads every file that `.gitignore` does not name and `is_wanted` accepts: its path below the root, and its
/// text.
pub(crate) fn files(is_wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in WalkBuilder::new(root()).require_git(false).sort_by_file_path(Path::cmp).build() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if entry.path().is_file() && is_wanted(&name) {
            found.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

/// Reads every Rust file below `crates`.
pub(crate) fn sources() -> Vec<(String, String)> {
    let found = files(|name| name.starts_with("crates/") && is_rust(name));
    assert!(found.len() > 40, "only {} files were found: the test searches the wrong folder", found.len());
    found
}

pub(crate) fn is_rust(name: &str) -> bool {
    has_extension(name, "rs")
}

pub(crate) fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}
