//! No crate has a circle of files: what a file names of its crate leads, step by step, never back to it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::files::sources;

/// Circles that stay, with the reason: the crate, and all modules of the circle.
const EXCEPTIONS: [(&str, &[&str], &str); 0] = [];

/// The text of each file of a crate, by module; the root is the empty name.
type Modules = BTreeMap<String, String>;

/// For each module the modules whose files it names, and what it names in them.
type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_crate_has_a_circle_of_files() {
    let mut refused = Vec::new();
    let mut excused = BTreeSet::new();
    for (package, modules) in packages() {
        let edges = edges(&modules);
        for circle in circles(&edges) {
            let exception = EXCEPTIONS.iter().find(|(of, files, _)| {
                *of == package && circle.iter().map(String::as_str).eq(files.iter().copied())
            });
            if let Some(exception) = exception {
                excused.insert(exception);
            } else {
                refused.push(format!("{package}, {} files\n{}", circle.len(), shown(&circle, &edges)));
            }
        }
    }
    assert!(refused.is_empty(), "circles of files:\n{}", refused.join("\n"));
    assert_eq!(excused.len(), EXCEPTIONS.len(), "an exception is no longer needed: remove it");
}

/// Returns the modules of each package below `crates`.
fn packages() -> BTreeMap<String, Modules> {
    let mut packages = BTreeMap::<String, Modules>::new();
    for (name, text) in sources() {
        let Some((package, path)) = name.trim_start_matches("crates/").split_once("/src/") else { continue };
        let path = path.trim_end_matches(".rs").replace('/', "::");
        let module = match path.as_str() {
            "lib" | "main" => "",
            path => path.strip_suffix("::mod").unwrap_or(path),
        };
        packages.entry(package.to_owned()).or_default().insert(module.to_owned(), text);
    }
    packages
}

fn edges(modules: &Modules) -> Edges {
    let mut edges = Edges::new();
    let mut tests = BTreeSet::new();
    for (module, text) in modules {
        let mut reader = ModuleReader { modules, module, found: BTreeMap::new(), tests: BTreeSet::new() };
        reader.read_tokens(text.parse().unwrap(), &split(module));
        edges.insert(module.clone(), reader.found);
        tests.append(&mut reader.tests);
    }
    let is_test = |module: &str| {
        tests.iter().any(|test: &String| module == test || module.starts_with(&format!("{test}::")))
    };
    edges.retain(|module, _| !is_test(module));
    edges
}

/// Returns the circles: sets of modules, each of which leads to every other one.
fn circles(edges: &Edges) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<_, _> = edges.keys().map(|module| (module, reached_from(module, edges))).collect();
    let mut circles = BTreeSet::new();
    for (module, targets) in &reached {
        let back = |target: &&String| reached.get(target).is_some_and(|targets| targets.contains(*module));
        let circle: BTreeSet<_> = targets.iter().filter(back).cloned().collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reached_from(module: &str, edges: &Edges) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![module.to_owned()];
    while let Some(module) = open.pop() {
        for target in edges.get(&module).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(target.clone()) {
                open.push(target.clone());
            }
        }
    }
    reached
}

/// Formats the edges of a circle: `a -> b: names`.
fn shown(circle: &BTreeSet<String>, edges: &Edges) -> String {
    let mut lines = Vec::new();
    for module in circle {
        for (target, names) in edges[module].iter().filter(|(target, _)| circle.contains(*target)) {
            let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            lines.push(format!("  {} -> {}: {names}", label(module), label(target)));
        }
    }
    lines.join("\n")
}

fn label(module: &str) -> &str {
    if module.is_empty() { "(root)" } else { module }
}

fn split(module: &str) -> Vec<String> {
    module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Collects what one file names of its crate.
struct ModuleReader<'m> {
    modules: &'m Modules,
    module: &'m str,
    found: BTreeMap<String, BTreeSet<String>>,
    /// Modules that are compiled for tests only.
    tests: BTreeSet<String>,
}

/// Whether a `use` declaration exports what it names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Visibility {
    Private,
    Exported,
}

impl ModuleReader<'_> {
    /// Reads tokens of the module `scope`, which is the file's own or one declared in it.
    fn read_tokens(&mut self, tokens: TokenStream, scope: &[String]) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.read_token(&tokens, at, scope);
        }
    }

    /// Reads what begins at a token, and returns where the next begins.
    fn read_token(&mut self, tokens: &[TokenTree], at: usize, scope: &[String]) -> usize {
        if is_test_attribute(tokens, at) {
            return self.skip_item(tokens, at + 2, scope);
        }
        match &tokens[at] {
            TokenTree::Group(group) => self.read_tokens(group.stream(), scope),
            TokenTree::Ident(word) if *word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                let end = (at..tokens.len()).find(|index| is_punct(tokens.get(*index), ';'));
                let end = end.unwrap_or(tokens.len());
                for path in paths_of_use(&tokens[at + 1..end]) {
                    self.add_path(&path, scope, visibility(tokens, at));
                }
                return end + 1;
            }
            TokenTree::Ident(word) if *word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    self.read_tokens(body.stream(), &with(scope, &name.to_string()));
                    return at + 3;
                }
            }
            TokenTree::Ident(_) if begins_path(tokens, at) => {
                let (path, end) = path_at(tokens, at);
                self.add_path(&path, scope, Visibility::Private);
                return end;
            }
            _ => {}
        }
        at + 1
    }

    /// Skips the item, field or statement after a `#[cfg(test)]`.
    fn skip_item(&mut self, tokens: &[TokenTree], from: usize, scope: &[String]) -> usize {
        let words = ["pub", "fn", "mod", "use", "struct", "enum", "impl", "const", "static", "type", "async"];
        let mut is_item = false;
        for at in from..tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if *word == "mod" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                        self.tests.insert(with(scope, &name.to_string()).join("::"));
                    }
                    is_item = true;
                }
                TokenTree::Ident(word) => is_item |= words.iter().any(|known| word == known),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return at + 1,
                TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
                TokenTree::Punct(punct) if punct.as_char() == ',' && !is_item => return at + 1,
                _ => {}
            }
        }
        tokens.len()
    }

    /// Adds the file that a path leads to: the longest beginning of the path that is a file.
    fn add_path(&mut self, path: &[String], scope: &[String], visibility: Visibility) {
        let Some(absolute) = self.absolute(path, scope) else { return };
        let is_file = |length: &usize| self.modules.contains_key(&absolute[..*length].join("::"));
        let Some(length) = (0..=absolute.len()).rev().find(is_file) else { return };
        let target = absolute[..length].join("::");
        let below = if self.module.is_empty() { String::new() } else { format!("{}::", self.module) };
        let is_below = target.starts_with(&below) && target != self.module;
        if target == self.module || visibility == Visibility::Exported && is_below {
            return;
        }
        let name = absolute.get(length..).filter(|rest| !rest.is_empty()).map(|rest| rest.join("::"));
        self.found.entry(target).or_default().insert(name.unwrap_or_else(|| "self".to_owned()));
    }

    /// Returns the path from the crate's root; `None` if it leads out of the crate.
    fn absolute(&self, path: &[String], scope: &[String]) -> Option<Vec<String>> {
        let mut base = scope.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &path[1..];
            }
            "self" | "super" => {
                while let Some(word) = rest.first().filter(|word| *word == "self" || *word == "super") {
                    if word == "super" {
                        base.pop()?;
                    }
                    rest = &rest[1..];
                }
            }
            child if !self.modules.contains_key(&with(scope, child).join("::")) => return None,
            _ => {}
        }
        base.extend_from_slice(rest);
        Some(base)
    }
}

fn with(scope: &[String], name: &str) -> Vec<String> {
    scope.iter().cloned().chain([name.to_owned()]).collect()
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether `::` is at this token.
fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Whether a path of several parts begins here: not its middle, a field, or one from outside (`::name`).
fn begins_path(tokens: &[TokenTree], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    let continues = is_punct(before, '.') || at > 1 && is_separator(tokens, at - 2);
    !continues && is_separator(tokens, at + 1)
}

/// Returns the path that begins here, and where it ends.
fn path_at(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        if !is_separator(tokens, at) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// Expands the tree of a `use` declaration into paths.
fn paths_of_use(tokens: &[TokenTree]) -> Vec<Vec<String>> {
    if is_separator(tokens, 0) {
        return Vec::new();
    }
    let (mut path, end) = path_at(tokens, 0);
    match tokens.get(end) {
        Some(TokenTree::Group(group)) => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            let branches =
                inner.split(|token| is_punct(Some(token), ',')).filter(|tokens| !tokens.is_empty());
            let below = branches.flat_map(paths_of_use);
            below.map(|rest| path.iter().cloned().chain(rest).collect()).collect()
        }
        Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
            path.push("*".to_owned());
            vec![path]
        }
        _ => {
            // `use a::{self}` names a.
            if path.len() == 1 && path[0] == "self" {
                path.clear();
            }
            vec![path]
        }
    }
}

fn visibility(tokens: &[TokenTree], at: usize) -> Visibility {
    let before = |back: usize| at.checked_sub(back).and_then(|index| tokens.get(index));
    let is_pub = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Ident(word)) if *word == "pub");
    let restricted = matches!(before(1), Some(TokenTree::Group(_))) && is_pub(before(2));
    if is_pub(before(1)) || restricted { Visibility::Exported } else { Visibility::Private }
}

/// Whether an attribute at this token compiles what follows for tests only: `#[cfg(test)]`, `#[cfg(all(test,
/// …))]`.
fn is_test_attribute(tokens: &[TokenTree], at: usize) -> bool {
    let (true, Some(TokenTree::Group(group))) = (is_punct(tokens.get(at), '#'), tokens.get(at + 1)) else {
        return false;
    };
    let text = group.stream().to_string().replace(' ', "");
    text.starts_with("cfg(test") || text.starts_with("cfg(all(test")
}

/// Builds the edges between made-up files.
fn edges_of(files: &[(&str, &str)]) -> Edges {
    edges(&files.iter().map(|(module, text)| ((*module).to_owned(), (*text).to_owned())).collect())
}

#[test]
fn each_way_to_name_another_file_is_seen() {
    for naming in [
        "use crate::b::B;",
        "use crate::{c::C, b::{self, B as D}};",
        "use crate::b::*;",
        "use super::b::B;",
        "use self::super::b::B;",
        "fn f() -> crate::b::B { g() }",
        "fn f() { let x = super::b::f::<u8>(1); }",
        "fn f() { use crate::b::B; }",
        "impl super::b::B for C {}",
        "fn f() { println!(\"{}\", crate::b::f()); }",
        "macro_rules! m { () => { $crate::b::f() } }",
        "mod inner { use super::super::b::B; }",
        "#[cfg(not(test))] use crate::b::B;",
        "#[cfg(test)] mod tests { use crate::c::C; } use crate::b::B;",
        "struct S { #[cfg(test)] x: u8, y: crate::b::B }",
        "pub use crate::b::B;",
    ] {
        let found = edges_of(&[("", ""), ("a", naming), ("b", "use crate::a::A;"), ("c", "")]);
        let circles = circles(&found);
        assert_eq!(circles.len(), 1, "{naming}: {found:?}");
        assert_eq!(shown(&circles[0], &found).lines().count(), 2, "{naming}: {found:?}");
    }
}

#[test]
fn parents_and_children_form_circles_too() {
    for parent in ["fn f() { child::g() }", "use child::G;", "use self::child::G;", "use child::{self, G};"] {
        let found = edges_of(&[("", ""), ("a", parent), ("a::child", "use super::H;")]);
        assert_eq!(circles(&found).len(), 1, "{parent}: {found:?}");
    }
    let found = edges_of(&[("", "fn main() { a::run() }"), ("a", "use crate::helper;")]);
    assert_eq!(shown(&circles(&found)[0], &found), "  (root) -> a: run\n  a -> (root): helper");
}

#[test]
fn what_names_no_other_file_is_not_counted() {
    for naming in [
        "pub(crate) use b::B; mod b;",
        "pub use b::{B, C};",
        "pub(super) use self::b::c::D;",
        "// use crate::a::b::B;\nfn f() { \"crate::a::b::B\"; }",
        "/// See [`crate::a::b::B`].\nfn f() {}",
        "fn f() { ::b::f(); other::b::f(); x.b::<u8>(); }",
        "use ::b::B; use std::b::B;",
        "#[cfg(test)] mod tests { use super::b::B; }",
        "#[cfg(test)]\n#[path = \"x\"]\nmod tests { fn f() { crate::a::b::f() } }",
        "#[cfg(test)] use b::B;",
        "#[cfg(all(test, unix))] fn f<A, B>() { b::f() }",
        "mod inner { use super::X; }",
        "fn f() -> impl Fn() + use<> { g() }",
    ] {
        let found = edges_of(&[("", ""), ("a", naming), ("a::b", "use super::A;"), ("a::b::c", "")]);
        assert_eq!(circles(&found), [], "{naming}: {found:?}");
    }
    let found = edges_of(&[
        ("", "#[cfg(test)] mod tests; use a::A;"),
        ("a", ""),
        ("tests", "use crate::a::A;"),
        ("tests::more", "use crate::tests::x;"),
    ]);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["", "a"]);
}

#[test]
fn a_circle_of_many_files_is_shown_whole_and_once() {
    let found = edges_of(&[
        ("", "pub use a::A;"),
        ("a", "use crate::b::{B, f};"),
        ("b", "use crate::c::C;"),
        ("c", "use crate::{a::A, d::D};"),
        ("d", "use crate::e::E;"),
        ("e", "use crate::d::F;"),
    ]);
    let circles = circles(&found);
    assert_eq!(circles.len(), 2);
    assert_eq!(shown(&circles[0], &found), "  a -> b: B, f\n  b -> c: C\n  c -> a: A");
    assert_eq!(shown(&circles[1], &found), "  d -> e: E\n  e -> d: F");
}
