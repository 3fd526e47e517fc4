//! Reads a repository's instructions for coding agents.

use std::fs;
use std::path::{Path, PathBuf};

use context_domain::tree::{NodeKey, Scope};
use ignore::WalkBuilder;
use serde_json::{Map, Value};

use super::markdown::markdown_members;
use super::source::{FileRefusal, ImportSource, SourceFiles, SourceNode, WantedContent};
use crate::failure::CommandFailure;

/// The member of the document that receives the files.
const MEMBER: &str = "guidance";

const NAMES: &str = "AGENTS.md, CLAUDE.md, .cursorrules, .cursor/rules/*, .github/copilot-instructions.md";

/// Reads the instructions of the repository at `path`, for a project or a branch of it.
pub(super) fn read_repository(
    path: &Path,
    project: &NodeKey,
    branch: Option<&NodeKey>,
) -> Result<ImportSource, CommandFailure> {
    let root = path.canonicalize();
    let root =
        root.map_err(|error| CommandFailure::usage(format!("--from-repo {}: {error}", path.display())))?;
    let scope = Scope::from_keys([Some(project.as_str()), branch.map(NodeKey::as_str), None]);
    let scope = scope.map_err(|faults| CommandFailure::Service(faults.into()))?;
    let candidates = candidates(&root)?;
    let mut ignored = Vec::new();
    let mut refused = Vec::new();
    let mut files = Map::new();
    for candidate in &candidates {
        let shown = shown(&root, candidate);
        match target(&root, candidate, &candidates) {
            Err(why) => ignored.push(format!("{shown}: {why}")),
            Ok(target) => match read_text(&target) {
                Err(why) => refused.push(FileRefusal::whole(&shown, why)),
                Ok(text) => {
                    let mut members = markdown_members(&text);
                    members.insert("applies_to".to_owned(), applies_to(&shown).into());
                    files.insert(shown, Value::Object(members));
                }
            },
        }
    }
    if files.is_empty() && refused.is_empty() {
        return Err(CommandFailure::new(format!(
            "--from-repo {}: it contains none of {NAMES}",
            path.display()
        )));
    }
    let wanted = if refused.is_empty() {
        Ok(WantedContent::Member { name: MEMBER, value: Value::Object(files) })
    } else {
        Err(refused)
    };
    let files = SourceFiles { document: path.display().to_string(), rules: None };
    Ok(ImportSource { nodes: vec![SourceNode { scope, files, wanted }], ignored })
}

/// Lists the files with a name that agents read, sorted, except those that `.gitignore` names.
fn candidates(root: &Path) -> Result<Vec<PathBuf>, CommandFailure> {
    let mut found = Vec::new();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| CommandFailure::new(format!("--from-repo: {error}")))?;
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

/// Returns the folder that a file applies to: its own, or the parent of its tool's folder.
fn applies_to(path: &str) -> &str {
    let folder = match path.split_once(".cursor/rules/") {
        Some((folder, _)) => folder.trim_end_matches('/'),
        None if path.starts_with(".github/") => "",
        None => path.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    if folder.is_empty() { "." } else { folder }
}

/// Follows links to the file itself. Fails if it is outside of the repository or among the candidates
/// already.
fn target(root: &Path, path: &Path, candidates: &[PathBuf]) -> Result<PathBuf, String> {
    let target = path.canonicalize().map_err(|error| format!("the link leads nowhere: {error}"))?;
    if !target.starts_with(root) {
        return Err("the link leads out of the repository".to_owned());
    }
    if !target.is_file() {
        return Err("it is not a file".to_owned());
    }
    if target != path && candidates.contains(&target) {
        return Err(format!("it is a link to {}, which is loaded", shown(root, &target)));
    }
    Ok(target)
}

fn read_text(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    if text.contains('\0') {
        return Err("the text contains the character U+0000, which cannot be stored: leave it out".to_owned());
    }
    Ok(text)
}

/// Formats the path below the root, with `/` on every system.
fn shown(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
