//! The commands in a document: blocks of `sh`, and the output that it shows for them.

/// A block of commands, and the output that the document shows, if any.
pub(crate) struct Step {
    pub(crate) commands: String,
    pub(crate) printed: Option<String>,
}

/// Returns the blocks of a document that are fenced as `sh`, each with the block fenced as `text` that
/// follows. Blocks fenced as `console` are not run.
pub(crate) fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in document.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "sh" => steps.push(Step { commands: text.to_owned(), printed: None }),
            "text" => steps.last_mut().unwrap().printed = Some(text.to_owned()),
            "console" => {}
            other => panic!("the document has a block of {other}"),
        }
    }
    steps
}

/// Returns the `export` lines, which later commands need.
pub(crate) fn settings(commands: &str) -> String {
    let settings = commands.lines().filter(|line| line.starts_with("export "));
    settings.map(|line| line.to_owned() + "\n").collect()
}

/// Whether `printed` is what the document shows; `…` in the document matches anything within a line.
pub(crate) fn matches(shown: &str, printed: &str) -> bool {
    let shown: Vec<_> = shown.trim_end().lines().collect();
    let printed: Vec<_> = printed.trim_end().lines().collect();
    shown.len() == printed.len()
        && shown.iter().zip(&printed).all(|(shown, printed)| line_matches(shown, printed))
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let mut rest = printed.trim_end();
    let mut parts = shown.trim_end().split('…').peekable();
    let Some(after_first) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after_first;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.split_at(at + part.len()).1;
    }
    rest.is_empty()
}

#[test]
fn dots_match_within_a_line_only() {
    assert!(matches("a … c …\nx", "a b c d\nx\n"));
    assert!(!matches("a … c", "a b d") && !matches("a", "a\nb") && !matches("a …", "b a"));
    assert!(!matches("ab", "a"));
}
