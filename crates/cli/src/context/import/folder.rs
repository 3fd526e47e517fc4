//! A folder of documents: which node each file is about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use context_domain::tree::Scope;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::found::{Files, Found, Node, Wanted, Wrong};
use crate::document::{self, Refusal, Syntax};
use crate::failure::Failure;

/// What the stem of a file of rules ends with.
const RULES: &str = ".inheritance";

/// Reads the tree that the folder at `path` holds, global first.
pub(super) fn read(path: &Path) -> Result<Found, Failure> {
    let cannot = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let root = path.canonicalize().map_err(cannot)?;
    let mut reader = Reader { root, slots: BTreeMap::new(), wrong: Vec::new(), ignored: Vec::new() };
    let mut folders = vec![(reader.root.clone(), Vec::new())];
    while let Some((folder, keys)) = folders.pop() {
        folders.extend(reader.folder(&folder, &keys).map_err(cannot)?);
    }
    let found = reader.finish();
    if found.nodes.is_empty() {
        return Err(Failure::new(format!(
            "{}: no file in it is a context: name them global.yaml, <project>/project.yaml, \
             <project>/<branch>/branch.yaml and <project>/<branch>/<task>.yaml",
            path.display()
        )));
    }
    Ok(found)
}

struct Reader {
    root: PathBuf,
    /// The files about each node, by the keys of its scope.
    slots: BTreeMap<Vec<String>, Slot>,
    /// Names that are no keys.
    wrong: Vec<Wrong>,
    ignored: Vec<String>,
}

#[derive(Default)]
struct Slot {
    documents: Vec<PathBuf>,
    rules: Vec<PathBuf>,
}

type Folder = (PathBuf, Vec<String>);

impl Reader {
    /// Sorts what stands in a folder, and answers the folders to go on with.
    fn folder(&mut self, folder: &Path, keys: &[String]) -> std::io::Result<Vec<Folder>> {
        let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let verdict = match name.to_str() {
                None => Err("its name is not UTF-8"),
                Some(name) if name.starts_with('.') => Err("hidden files hold no contexts"),
                Some(name) => match self.kind(&path) {
                    Kind::Folder if keys.len() < 2 => {
                        below.extend(self.key(name, &path).map(|key| (path.clone(), with(keys, key))));
                        Ok(())
                    }
                    Kind::Folder => Err("a branch holds files only"),
                    Kind::File => self.file(name, &path, keys),
                    Kind::Neither(why) => Err(why),
                },
            };
            if let Err(why) = verdict {
                self.ignored.push(format!("{}: {why}", self.shown(&path)));
            }
        }
        Ok(below)
    }

    fn file(&mut self, name: &str, path: &Path, keys: &[String]) -> Result<(), &'static str> {
        let syntax = Syntax::of(path).and_then(|_| name.rsplit_once('.'));
        let Some((stem, _)) = syntax else {
            return Err("its name ends in none of .json, .yaml, .yml and .toml");
        };
        let (stem, is_rules) = match stem.strip_suffix(RULES) {
            Some(stem) => (stem, true),
            None => (stem, false),
        };
        let keys = match (keys.len(), stem) {
            (0, "global") | (1, "project") | (2, "branch") => keys.to_vec(),
            (0, _) => {
                return Err("beside the folders of projects stand global.* and global.inheritance.* only");
            }
            (1, _) => {
                return Err("beside the folders of branches stand project.* and project.inheritance.* only");
            }
            (_, task) => match self.key(task, path) {
                Some(key) => with(keys, key),
                None => return Ok(()),
            },
        };
        let slot = self.slots.entry(keys).or_default();
        let files = if is_rules { &mut slot.rules } else { &mut slot.documents };
        files.push(path.to_owned());
        Ok(())
    }

    /// The key that a name stands for; where it is none, that is noted.
    fn key(&mut self, name: &str, path: &Path) -> Option<String> {
        match decoded(name) {
            Ok(key) => Some(key),
            Err(rule) => {
                self.wrong.push(Wrong::whole(&self.shown(path), rule));
                None
            }
        }
    }

    fn kind(&self, path: &Path) -> Kind {
        let Ok(target) = path.canonicalize() else { return Kind::Neither("the link leads nowhere") };
        if !target.starts_with(&self.root) {
            return Kind::Neither("the link leads out of the folder");
        }
        match target {
            target if target.is_dir() => Kind::Folder,
            target if target.is_file() => Kind::File,
            _ => Kind::Neither("it is no file"),
        }
    }

    /// The path as a person would name it.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    fn finish(mut self) -> Found {
        let slots = std::mem::take(&mut self.slots);
        let mut nodes: Vec<_> = slots.into_iter().map(|(keys, slot)| self.node(&keys, &slot)).collect();
        // What stands above is written first, because its locks and strategies are about what stands below.
        nodes.sort_by_key(|node| node.scope.level());
        // Names that are no keys belong to no node: they are shown at the global one's place.
        nodes.extend(self.wrong.into_iter().map(|wrong| Node {
            scope: Scope::global(),
            files: Files { document: wrong.file.clone(), rules: None },
            wanted: Err(vec![wrong]),
        }));
        Found { nodes, ignored: self.ignored }
    }

    fn node(&self, keys: &[String], slot: &Slot) -> Node {
        let shown = |path: Option<&PathBuf>| path.map(|path| self.shown(path));
        let rules = shown(slot.rules.first());
        let document = shown(slot.documents.first());
        let files = Files { document: document.or_else(|| rules.clone()).unwrap_or_default(), rules };
        let key = |at: usize| keys.get(at).map(String::as_str);
        let scope = Scope::from_keys([key(0), key(1), key(2)]);
        let (scope, faults) = match scope {
            Ok(scope) => (scope, Vec::new()),
            Err(faults) => (Scope::global(), faults),
        };
        let wrong: Vec<_> =
            faults.into_iter().map(|fault| Wrong::whole(&files.document, fault.message)).collect();
        let wanted = if wrong.is_empty() { self.wanted(&files, slot) } else { Err(wrong) };
        Node { scope, files, wanted }
    }

    fn wanted(&self, files: &Files, slot: &Slot) -> Result<Wanted, Vec<Wrong>> {
        let mut wrong = Vec::new();
        for paths in [&slot.documents, &slot.rules] {
            if let [first, second, ..] = paths.as_slice() {
                let rule = format!("{} is about the same node: keep one of them", self.shown(first));
                wrong.push(Wrong::whole(&self.shown(second), rule));
            }
        }
        let mut read = |path: Option<&PathBuf>| match path.map(|path| self.document(path)) {
            Some(Ok(value)) => Some(value),
            Some(Err(found)) => {
                wrong.push(found);
                None
            }
            None => None,
        };
        let (document, rules) = (read(slot.documents.first()), read(slot.rules.first()));
        if slot.documents.is_empty() {
            let rule = "there are rules and no document: write one, {} if it is empty";
            wrong.push(Wrong::whole(&files.document, rule));
        }
        match document {
            Some(document) if wrong.is_empty() => Ok(Wanted::Whole { document, rules }),
            _ => Err(wrong),
        }
    }

    fn document(&self, path: &Path) -> Result<Value, Wrong> {
        let shown = self.shown(path);
        let bytes = fs::read(path).map_err(|error| Wrong::whole(&shown, error.to_string()))?;
        let syntax = Syntax::of(path).unwrap_or(Syntax::Json);
        document::read(syntax, &bytes).map_err(|refusal: Refusal| Wrong::new(&shown, refusal))
    }
}

enum Kind {
    Folder,
    File,
    Neither(&'static str),
}

fn with(keys: &[String], key: String) -> Vec<String> {
    keys.iter().cloned().chain([key]).collect()
}

/// The key that a percent-encoded name stands for. What is no encoding is refused, because `100%` could be meant as it
/// stands or be a slip.
fn decoded(name: &str) -> Result<String, String> {
    let mut parts = name.split('%').skip(1);
    let encoded = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !parts.all(encoded) {
        return Err(format!("'{name}' is not percent-encoded: write %25 for a percent sign"));
    }
    let text = percent_decode_str(name).decode_utf8();
    text.map(String::from).map_err(|_| format!("'{name}' is not UTF-8 when it is decoded"))
}
