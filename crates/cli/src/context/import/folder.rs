//! Reads a folder of documents: which node each file belongs to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use context_domain::tree::Scope;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::source::{FileRefusal, ImportSource, SourceFiles, SourceNode, WantedContent};
use crate::document::{Syntax, read_document};
use crate::failure::CommandFailure;

/// The end of the name, before the extension, of a file of rules.
const RULES: &str = ".inheritance";

/// Reads the tree in the folder at `path`, global first.
pub(super) fn read_folder(path: &Path) -> Result<ImportSource, CommandFailure> {
    let cannot = |error: std::io::Error| CommandFailure::usage(format!("{}: {error}", path.display()));
    let root = path.canonicalize().map_err(cannot)?;
    let mut reader = FolderReader { root, nodes: BTreeMap::new(), refused: Vec::new(), ignored: Vec::new() };
    let mut folders = vec![(reader.root.clone(), Vec::new())];
    while let Some((folder, keys)) = folders.pop() {
        folders.extend(reader.enter(&folder, &keys).map_err(cannot)?);
    }
    let source = reader.finish();
    if source.nodes.is_empty() {
        return Err(CommandFailure::new(format!(
            "{}: it contains no file of a context: name them global.yaml, <project>/project.yaml, \
             <project>/<branch>/branch.yaml and <project>/<branch>/<task>.yaml",
            path.display()
        )));
    }
    Ok(source)
}

struct FolderReader {
    root: PathBuf,
    /// The files of each node, by the keys of its scope.
    nodes: BTreeMap<Vec<String>, NodeFiles>,
    /// Files whose names are not keys.
    refused: Vec<FileRefusal>,
    ignored: Vec<String>,
}

/// The files of one node; more than one of a kind is an error.
#[derive(Default)]
struct NodeFiles {
    documents: Vec<PathBuf>,
    rules: Vec<PathBuf>,
}

/// A folder and the keys that its path stands for.
type KeyedFolder = (PathBuf, Vec<String>);

/// The kind of file that a path leads to after links are followed.
enum PathKind {
    Folder,
    File,
    /// Neither, for this reason.
    Ignored(&'static str),
}

impl FolderReader {
    /// Reads the entries of a folder, and returns the folders to read next.
    fn enter(&mut self, folder: &Path, keys: &[String]) -> std::io::Result<Vec<KeyedFolder>> {
        let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let verdict = match name.to_str() {
                None => Err("its name is not UTF-8"),
                Some(name) if name.starts_with('.') => Err("hidden files are not imported"),
                Some(name) => match self.kind(&path) {
                    PathKind::Folder if keys.len() < 2 => {
                        below.extend(self.key(name, &path).map(|key| (path.clone(), with_key(keys, key))));
                        Ok(())
                    }
                    PathKind::Folder => Err("the folder of a branch contains only files"),
                    PathKind::File => self.file(name, &path, keys),
                    PathKind::Ignored(why) => Err(why),
                },
            };
            if let Err(why) = verdict {
                self.ignored.push(format!("{}: {why}", self.shown(&path)));
            }
        }
        Ok(below)
    }

    /// Adds a file to its node; an error is the reason why the file is ignored.
    fn file(&mut self, name: &str, path: &Path, keys: &[String]) -> Result<(), &'static str> {
        let syntax = Syntax::from_path(path).and_then(|_| name.rsplit_once('.'));
        let Some((stem, _)) = syntax else {
            return Err("its extension is none of .json, .yaml, .yml and .toml");
        };
        let (stem, is_rules) = match stem.strip_suffix(RULES) {
            Some(stem) => (stem, true),
            None => (stem, false),
        };
        let keys = match (keys.len(), stem) {
            (0, "global") | (1, "project") | (2, "branch") => keys.to_vec(),
            (0, _) => {
                return Err("here only global.*, global.inheritance.* and folders of projects are read");
            }
            (1, _) => {
                return Err("here only project.*, project.inheritance.* and folders of branches are read");
            }
            (_, task) => match self.key(task, path) {
                Some(key) => with_key(keys, key),
                None => return Ok(()),
            },
        };
        let node = self.nodes.entry(keys).or_default();
        let files = if is_rules { &mut node.rules } else { &mut node.documents };
        files.push(path.to_owned());
        Ok(())
    }

    /// Returns the key that a name stands for; a name that is not a key is recorded as refused.
    fn key(&mut self, name: &str, path: &Path) -> Option<String> {
        match decode_name(name) {
            Ok(key) => Some(key),
            Err(rule) => {
                self.refused.push(FileRefusal::whole(&self.shown(path), rule));
                None
            }
        }
    }

    fn kind(&self, path: &Path) -> PathKind {
        let Ok(target) = path.canonicalize() else { return PathKind::Ignored("the link is broken") };
        if !target.starts_with(&self.root) {
            return PathKind::Ignored("the link leads out of the folder");
        }
        match target {
            target if target.is_dir() => PathKind::Folder,
            target if target.is_file() => PathKind::File,
            _ => PathKind::Ignored("it is not a file"),
        }
    }

    /// Formats the path below the root.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    fn finish(mut self) -> ImportSource {
        let found = std::mem::take(&mut self.nodes);
        let mut nodes: Vec<_> = found.into_iter().map(|(keys, files)| self.node(&keys, &files)).collect();
        // Ancestors are written first, because their locks and strategies apply to what is below them.
        nodes.sort_by_key(|node| node.scope.level());
        // Files whose names are not keys belong to no node: they are reported under the global one.
        nodes.extend(self.refused.into_iter().map(|refusal| SourceNode {
            scope: Scope::global(),
            files: SourceFiles { document: refusal.file.clone(), rules: None },
            wanted: Err(vec![refusal]),
        }));
        ImportSource { nodes, ignored: self.ignored }
    }

    fn node(&self, keys: &[String], found: &NodeFiles) -> SourceNode {
        let shown = |path: Option<&PathBuf>| path.map(|path| self.shown(path));
        let rules = shown(found.rules.first());
        let document = shown(found.documents.first());
        let files = SourceFiles { document: document.or_else(|| rules.clone()).unwrap_or_default(), rules };
        let key = |at: usize| keys.get(at).map(String::as_str);
        let (scope, faults) = match Scope::from_keys([key(0), key(1), key(2)]) {
            Ok(scope) => (scope, Vec::new()),
            Err(faults) => (Scope::global(), faults),
        };
        let refused: Vec<_> =
            faults.into_iter().map(|fault| FileRefusal::whole(&files.document, fault.message)).collect();
        let wanted = if refused.is_empty() { self.wanted(&files, found) } else { Err(refused) };
        SourceNode { scope, files, wanted }
    }

    /// Reads the content that a node should get from its files.
    fn wanted(&self, files: &SourceFiles, found: &NodeFiles) -> Result<WantedContent, Vec<FileRefusal>> {
        let mut refused = Vec::new();
        for paths in [&found.documents, &found.rules] {
            if let [first, second, ..] = paths.as_slice() {
                let rule = format!("{} is for the same node: keep one of them", self.shown(first));
                refused.push(FileRefusal::whole(&self.shown(second), rule));
            }
        }
        let mut read = |path: Option<&PathBuf>| match path.map(|path| self.document(path)) {
            Some(Ok(value)) => Some(value),
            Some(Err(refusal)) => {
                refused.push(refusal);
                None
            }
            None => None,
        };
        let (document, rules) = (read(found.documents.first()), read(found.rules.first()));
        if found.documents.is_empty() {
            let rule = "the node has rules but no document: add one, {} if it is empty";
            refused.push(FileRefusal::whole(&files.document, rule));
        }
        match document {
            Some(document) if refused.is_empty() => Ok(WantedContent::Whole { document, rules }),
            _ => Err(refused),
        }
    }

    fn document(&self, path: &Path) -> Result<Value, FileRefusal> {
        let shown = self.shown(path);
        let bytes = fs::read(path).map_err(|error| FileRefusal::whole(&shown, error.to_string()))?;
        let syntax = Syntax::from_path(path).unwrap_or(Syntax::Json);
        read_document(syntax, &bytes).map_err(|refusal| FileRefusal::new(&shown, refusal))
    }
}

fn with_key(keys: &[String], key: String) -> Vec<String> {
    keys.iter().cloned().chain([key]).collect()
}

/// Decodes a percent-encoded name. A percent sign that encodes nothing is refused, because `100%` could be
/// meant literally or be a mistake.
fn decode_name(name: &str) -> Result<String, String> {
    let mut parts = name.split('%').skip(1);
    let encoded = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !parts.all(encoded) {
        return Err(format!("'{name}' is not percent-encoded: write %25 for a percent sign"));
    }
    let text = percent_decode_str(name).decode_utf8();
    text.map(String::from).map_err(|_| format!("'{name}' is not UTF-8 when it is decoded"))
}
