//! Search: what a list of contexts is narrowed to, read from the query.

use std::fmt::Display;
use std::str::FromStr;

use context_domain::json::{self, ReadError};
use context_domain::limits::{
    MAX_CONTEXT_TYPE_CHARS, MAX_SEARCH_TEXT_CHARS, MAX_TAG_CHARS, MAX_TAGS, MAX_USER_ID_CHARS,
};
use context_domain::search::{Search, words_of};
use serde_json::{Map, Value};

use super::problem::Problem;
use super::query::Query;
use super::spec::{LIMIT, PAGE_TOKEN, Parameter, Values};

/// What a list of contexts takes in its query.
pub(crate) const PARAMETERS: [Parameter; 11] = [
    CONTEXT_TYPE,
    TAG,
    USER_ID,
    CONTEXT_LEVEL,
    CREATED_AFTER,
    CREATED_BEFORE,
    UPDATED_AFTER,
    Q,
    FILTER,
    LIMIT,
    PAGE_TOKEN,
];

const CONTEXT_TYPE: Parameter = Parameter {
    name: "context_type",
    about: "Contexts of this type.",
    values: Values::Word { most: MAX_CONTEXT_TYPE_CHARS },
};
const TAG: Parameter = Parameter {
    name: "tag",
    about: "Contexts that have this tag; repeated, those that have all of them.",
    values: Values::Words { most: MAX_TAG_CHARS, times: MAX_TAGS },
};
const USER_ID: Parameter = Parameter {
    name: "user_id",
    about: "Contexts of this owner.",
    values: Values::Chars { most: MAX_USER_ID_CHARS },
};
const CONTEXT_LEVEL: Parameter =
    Parameter { name: "context_level", about: "Nodes of this level of the tree.", values: Values::Level };
const CREATED_AFTER: Parameter = Parameter {
    name: "created_after",
    about: "Contexts created at this moment or later.",
    values: Values::Moment,
};
const CREATED_BEFORE: Parameter = Parameter {
    name: "created_before",
    about: "Contexts created before this moment.",
    values: Values::Moment,
};
const UPDATED_AFTER: Parameter = Parameter {
    name: "updated_after",
    about: "Contexts last written at this moment or later.",
    values: Values::Moment,
};
const Q: Parameter = Parameter {
    name: "q",
    about: "Contexts that have all of these words in title, description or the strings of the document, whatever \
            their case.",
    values: Values::SearchText { most: MAX_SEARCH_TEXT_CHARS },
};
const FILTER: Parameter = Parameter {
    name: "filter",
    about: "Contexts whose document contains this object: its members, whatever others there are, at every depth; of \
            an array its elements, in any order.",
    values: Values::Object,
};

impl Query {
    /// What the list is narrowed to.
    pub(crate) fn search(&self) -> Result<Search, Problem> {
        let mut tags: Vec<String> = self.all(&TAG).map(str::to_owned).collect();
        // The same question in another order is the same list.
        tags.sort_unstable();
        tags.dedup();
        Ok(Search {
            context_type: self.get(&CONTEXT_TYPE).map(str::to_owned),
            tags,
            user_id: self.get(&USER_ID).map(str::to_owned),
            context_level: self.parsed(&CONTEXT_LEVEL)?,
            created_after: self.parsed(&CREATED_AFTER)?,
            created_before: self.parsed(&CREATED_BEFORE)?,
            updated_after: self.parsed(&UPDATED_AFTER)?,
            words: self.get(&Q).map(words_of).unwrap_or_default(),
            filter: self.get(&FILTER).map(filter).transpose()?,
        })
    }

    fn parsed<T: FromStr<Err: Display>>(&self, parameter: &Parameter) -> Result<Option<T>, Problem> {
        let read = |text: &str| text.parse().map_err(|rule: T::Err| refusal(parameter, text, &rule));
        self.get(parameter).map(read).transpose()
    }
}

fn refusal(parameter: &Parameter, text: &str, rule: &impl Display) -> Problem {
    // In a query a plus is a space, which is how the offset of a time gets lost.
    let advice = if text.contains(' ') { "; in a URL write a plus as %2B" } else { "" };
    Problem::bad_parameter(parameter.name, format!("{rule}{advice}"))
}

fn filter(text: &str) -> Result<Map<String, Value>, Problem> {
    let refuse = |rule: String| Problem::bad_parameter(FILTER.name, rule);
    let value = json::parse_strict(text.as_bytes()).map_err(|error| match error {
        ReadError::Syntax { line, column, message } => {
            refuse(format!("the value is not JSON: line {line}, column {column}: {message}"))
        }
        ReadError::Rule(fault) => refuse(format!("at '{}': {}", fault.pointer, fault.message)),
    })?;
    let Value::Object(filter) = value else {
        return Err(refuse("the value is a JSON object, such as {\"status\": \"open\"}".to_owned()));
    };
    json::check_document(&filter)
        .map_err(|fault| refuse(format!("at '{}': {}", fault.pointer, fault.message)))?;
    Ok(filter)
}
