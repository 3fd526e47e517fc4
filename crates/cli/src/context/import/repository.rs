//! What a repository tells agents: the files that coding agents read.

use std::fs;
use std::path::{Path, PathBuf};

use context_domain::tree::{NodeKey, Scope};
use ignore::WalkBuilder;
use serde_json::{Map, Value};

use super::found::{Files, Found, Node, Wanted, Wrong};
use super::markdown;
use crate::failure::Failure;

/// The member of a project's document that holds what was found.
const MEMBER: &str = "guidance";

const NAMES: &str = "AGENTS.md, CLAUDE.md, .cursorrules, .cursor/rules/*, .github/copilot-instructions.md";

/// Reads what the repository at `path` tells agents, for a project or a branch of it.
pub(super) fn read(path: &Path, project: &NodeKey, branch: Option<&NodeKey>) -> Result<Found, Failure> {
    let root = path.canonicalize();
    let root = root.map_err(|error| Failure::usage(format!("--from-repo {}: {error}", path.display())))?;
    let scope = Scope::from_keys([Some(project.as_str()), branch.map(NodeKey::as_str), None]);
    let scope = scope.map_err(|faults| Failure::Service(faults.into()))?;
    let candidates = candidates(&root)?;
    let mut ignored = Vec::new();
    let mut wrong = Vec::new();
    let mut files = Map::new();
    for candidate in &candidates {
        let shown = shown(&root, candidate);
        match target(&root, candidate, &candidates) {
            Err(why) => ignored.push(format!("{shown}: {why}")),
            Ok(target) => match text(&target) {
                Err(why) => wrong.push(Wrong::whole(&shown, why)),
                Ok(text) => {
                    let mut members = markdown::members(&text);
                    members.insert("applies_to".to_owned(), applies_to(&shown).into());
                    files.insert(shown, Value::Object(members));
                }
            },
        }
    }
    if files.is_empty() && wrong.is_empty() {
        return Err(Failure::new(format!("--from-repo {}: there is none of {NAMES}", path.display())));
    }
    let wanted = if wrong.is_empty() {
        Ok(Wanted::Member { name: MEMBER, value: Value::Object(files) })
    } else {
        Err(wrong)
    };
    let files = Files { document: path.display().to_string(), rules: None };
    Ok(Found { nodes: vec![Node { scope, files, wanted }], ignored })
}

/// The files with a name that agents know, in order, without what `.gitignore` names.
fn candidates(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| Failure::new(format!("--from-repo: {error}")))?;
        let folder = entry.file_type().is_none_or(|kind| kind.is_dir());
        if !folder && is_guidance(&shown(root, entry.path())) {
            found.push(entry.into_path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_guidance(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_rule = path.starts_with(".cursor/rules/") || path.contains("/.cursor/rules/");
    matches!(name, "AGENTS.md" | "CLAUDE.md")
        || matches!(path, ".cursorrules" | ".github/copilot-instructions.md")
        || is_rule && matches!(name.rsplit_once('.'), Some((_, "md" | "mdc")))
}

/// The folder that a file is about: the one it stands in, or the one that its tool's own folder stands in.
fn applies_to(path: &str) -> &str {
    let folder = match path.split_once(".cursor/rules/") {
        Some((folder, _)) => folder.trim_end_matches('/'),
        None if path.starts_with(".github/") => "",
        None => path.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    if folder.is_empty() { "." } else { folder }
}

/// The file itself, behind links; not where that is outside, or taken anyway.
fn target(root: &Path, path: &Path, candidates: &[PathBuf]) -> Result<PathBuf, String> {
    let target = path.canonicalize().map_err(|error| format!("the link leads nowhere: {error}"))?;
    if !target.starts_with(root) {
        return Err("the link leads out of the repository".to_owned());
    }
    if !target.is_file() {
        return Err("it is no file".to_owned());
    }
    if target != path && candidates.contains(&target) {
        return Err(format!("it is {}, which is taken", shown(root, &target)));
    }
    Ok(target)
}

fn text(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    if text.contains('\0') {
        return Err("the text holds the character U+0000, which cannot be kept: leave it out".to_owned());
    }
    Ok(text)
}

/// The path below the root, with `/` on every system.
fn shown(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
