//! Converts Markdown to JSON members: each heading names the text below it.

use std::collections::BTreeMap;
use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::{Map, Value, json};

/// Returns `{"text", "sections"?, "front_matter"?}`: the whole text, the sections by heading, and the block
/// between `---` lines at its beginning.
pub(super) fn markdown_members(text: &str) -> Map<String, Value> {
    let outline = outline(text);
    let mut members = Map::new();
    members.insert("text".to_owned(), text.into());
    if !outline.headings.is_empty() {
        members.insert("sections".to_owned(), sections(text, &outline.headings, text.len()));
    }
    if let Some(block) = outline.front_matter {
        members.insert("front_matter".to_owned(), block.into());
    }
    members
}

struct Heading {
    level: HeadingLevel,
    title: String,
    /// The heading's own position in the text.
    range: Range<usize>,
}

#[derive(Default)]
struct Outline {
    headings: Vec<Heading>,
    front_matter: Option<String>,
}

/// Finds the headings of a text, except those in quotations and lists.
fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    let mut open = 0_usize;
    let mut heading: Option<Heading> = None;
    let mut block: Option<String> = None;
    let parser = Parser::new_ext(text, Options::ENABLE_YAML_STYLE_METADATA_BLOCKS);
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(tag) => {
                match tag {
                    Tag::Heading { level, .. } if open == 0 => {
                        heading = Some(Heading { level, title: String::new(), range });
                    }
                    Tag::MetadataBlock(_) => block = Some(String::new()),
                    _ => {}
                }
                open += 1;
            }
            Event::End(tag) => {
                open = open.saturating_sub(1);
                match tag {
                    TagEnd::Heading(_) => outline.headings.extend(heading.take()),
                    TagEnd::MetadataBlock(_) => outline.front_matter = block.take(),
                    _ => {}
                }
            }
            Event::Text(part) | Event::Code(part) => {
                let target = heading.as_mut().map(|heading| &mut heading.title).or(block.as_mut());
                if let Some(target) = target {
                    target.push_str(&part);
                }
            }
            _ => {}
        }
    }
    outline
}

/// Builds the sections that begin with `headings`; the last one ends at `end`. A heading belongs to the
/// nearest one before it of a higher rank, so the recursion is at most six levels deep.
fn sections(text: &str, headings: &[Heading], end: usize) -> Value {
    let mut members = Map::new();
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut rest = headings;
    while let Some((heading, after)) = rest.split_first() {
        let within = after.iter().take_while(|other| other.level > heading.level).count();
        let (inner, others) = after.split_at(within);
        let section_end = others.first().map_or(end, |next| next.range.start);
        let own_end = inner.first().map_or(section_end, |next| next.range.start);
        let own = text.get(heading.range.end..own_end).unwrap_or_default().trim();
        let mut section = json!({"text": own});
        if let (false, Value::Object(section)) = (inner.is_empty(), &mut section) {
            section.insert("sections".to_owned(), sections(text, inner, section_end));
        }
        let title = if heading.title.is_empty() { "(untitled)" } else { heading.title.as_str() };
        members.insert(unique_title(title, &mut seen, &members), section);
        rest = others;
    }
    Value::Object(members)
}

/// Returns `title`, or `title (2)` if that name is taken.
fn unique_title<'t>(
    title: &'t str,
    seen: &mut BTreeMap<&'t str, usize>,
    taken: &Map<String, Value>,
) -> String {
    let count = seen.entry(title).or_default();
    loop {
        *count += 1;
        let name = if *count == 1 { title.to_owned() } else { format!("{title} ({count})") };
        if !taken.contains_key(&name) {
            return name;
        }
    }
}
