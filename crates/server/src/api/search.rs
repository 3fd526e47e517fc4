//! Search: which contexts a list holds, parsed from the query.

use std::fmt::Display;
use std::str::FromStr;

use context_domain::json::{self, ReadError};
use context_domain::limits::{
    MAX_CONTEXT_TYPE_CHARS, MAX_SEARCH_TEXT_CHARS, MAX_TAG_CHARS, MAX_TAGS, MAX_USER_ID_CHARS,
};
use context_domain::search::{Search, words_of};
use serde_json::{Map, Value};

use super::spec::{LIMIT, PAGE_TOKEN, ParameterValues, QueryParameter};
use crate::http::problem::Problem;
use crate::http::query::Query;

/// The query parameters of a list of contexts.
pub(crate) const PARAMETERS: [QueryParameter; 11] = [
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

const CONTEXT_TYPE: QueryParameter = QueryParameter {
    name: "context_type",
    about: "Contexts with this type.",
    values: ParameterValues::Word { max: MAX_CONTEXT_TYPE_CHARS },
};
const TAG: QueryParameter = QueryParameter {
    name: "tag",
    about: "Contexts with this tag; if repeated, contexts with all of these tags.",
    values: ParameterValues::Words { max: MAX_TAG_CHARS, times: MAX_TAGS },
};
const USER_ID: QueryParameter = QueryParameter {
    name: "user_id",
    about: "Contexts with this owner.",
    values: ParameterValues::Chars { max: MAX_USER_ID_CHARS },
};
const CONTEXT_LEVEL: QueryParameter = QueryParameter {
    name: "context_level",
    about: "Nodes at this level of the tree.",
    values: ParameterValues::Level,
};
const CREATED_AFTER: QueryParameter = QueryParameter {
    name: "created_after",
    about: "Contexts created at this time or later.",
    values: ParameterValues::Moment,
};
const CREATED_BEFORE: QueryParameter = QueryParameter {
    name: "created_before",
    about: "Contexts created before this time.",
    values: ParameterValues::Moment,
};
const UPDATED_AFTER: QueryParameter = QueryParameter {
    name: "updated_after",
    about: "Contexts last written at this time or later.",
    values: ParameterValues::Moment,
};
const Q: QueryParameter = QueryParameter {
    name: "q",
    about: "Contexts with all of these words in the title, the description or the strings of the document; \
            letter case is ignored.",
    values: ParameterValues::SearchText { max: MAX_SEARCH_TEXT_CHARS },
};
const FILTER: QueryParameter = QueryParameter {
    name: "filter",
    about: "Contexts whose document contains this object: at every depth, objects may have further members, \
            and arrays further elements in any order.",
    values: ParameterValues::Object,
};

/// Returns the search that the query asks for.
pub(crate) fn parse_search(query: &Query) -> Result<Search, Problem> {
    let mut tags: Vec<String> = query.get_all(&TAG).map(str::to_owned).collect();
    // The same tags in another order are the same search, so that page tokens stay valid.
    tags.sort_unstable();
    tags.dedup();
    Ok(Search {
        context_type: query.get(&CONTEXT_TYPE).map(str::to_owned),
        tags,
        user_id: query.get(&USER_ID).map(str::to_owned),
        context_level: parse_value(query, &CONTEXT_LEVEL)?,
        created_after: parse_value(query, &CREATED_AFTER)?,
        created_before: parse_value(query, &CREATED_BEFORE)?,
        updated_after: parse_value(query, &UPDATED_AFTER)?,
        words: query.get(&Q).map(words_of).unwrap_or_default(),
        filter: query.get(&FILTER).map(parse_filter).transpose()?,
    })
}

fn parse_value<T: FromStr<Err: Display>>(
    query: &Query,
    parameter: &QueryParameter,
) -> Result<Option<T>, Problem> {
    let parse = |text: &str| text.parse().map_err(|rule: T::Err| malformed(parameter, text, &rule));
    query.get(parameter).map(parse).transpose()
}

fn malformed(parameter: &QueryParameter, text: &str, rule: &impl Display) -> Problem {
    // In a query a plus is a space: the offset of a time is lost unless it is encoded.
    let advice = if text.contains(' ') { "; in a URL write + as %2B" } else { "" };
    Problem::bad_parameter(parameter.name, format!("{rule}{advice}"))
}

fn parse_filter(text: &str) -> Result<Map<String, Value>, Problem> {
    let refuse = |rule: String| Problem::bad_parameter(FILTER.name, rule);
    let value = json::parse_strict(text.as_bytes()).map_err(|error| match error {
        ReadError::Syntax { line, column, message } => {
            refuse(format!("the value is not JSON: line {line}, column {column}: {message}"))
        }
        ReadError::Rule(fault) => refuse(format!("at '{}': {}", fault.pointer, fault.message)),
    })?;
    let Value::Object(filter) = value else {
        return Err(refuse("the value must be a JSON object, such as {\"status\": \"open\"}".to_owned()));
    };
    json::check_document(&filter)
        .map_err(|fault| refuse(format!("at '{}': {}", fault.pointer, fault.message)))?;
    Ok(filter)
}
