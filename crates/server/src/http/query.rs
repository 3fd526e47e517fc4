//! Query parameters, read strictly: an unknown or repeated parameter and a wrong value are refused, never
//! ignored.

use context_domain::content::{is_word, word_rule};
use context_domain::page::PageRequest;
use context_domain::search::words_of;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use crate::api::spec::{CONSISTENCY, LIMIT, PAGE_TOKEN, ParameterValues, QueryParameter};

/// The query parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Parses a query string that may hold the parameters `known`, each once unless it may be repeated.
    pub(crate) fn parse<'k>(
        text: &str,
        known: impl Iterator<Item = &'k QueryParameter> + Clone,
    ) -> Result<Self, Problem> {
        let mut query = Self::default();
        for piece in text.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = decode(name).map_err(|rule| Problem::bad_parameter(name, rule))?;
            let Some(parameter) = known.clone().find(|parameter| parameter.name == name) else {
                return Err(Problem::bad_parameter(&name, unknown_parameter(known)));
            };
            query.refuse_repetition(parameter)?;
            let value = decode(value).map_err(|rule| Problem::bad_parameter(&name, rule))?;
            check_value(parameter, &value)?;
            query.0.push((parameter.name, value));
        }
        Ok(query)
    }

    /// Returns the parameter's value, if it was sent.
    pub(crate) fn get(&self, parameter: &QueryParameter) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| value.as_str())
    }

    /// Returns all values of a parameter that may be repeated.
    pub(crate) fn get_all(&self, parameter: &QueryParameter) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(name, _)| *name == parameter.name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a parameter that is true or false.
    pub(crate) fn flag(&self, parameter: &QueryParameter) -> bool {
        match (self.get(parameter), parameter.values) {
            (None, ParameterValues::Flag { default }) => default,
            (value, _) => value == Some("true"),
        }
    }

    /// Returns which page of a list is requested.
    pub(crate) fn page_request(&self) -> Result<PageRequest, Problem> {
        let limit = self.get(&LIMIT).map(|text| parse_number(&LIMIT, text)).transpose()?;
        Ok(PageRequest { limit, token: self.get(&PAGE_TOKEN).map(str::to_owned) })
    }

    /// Refuses `parameter` if it was sent, because of `rule`.
    pub(crate) fn refuse(&self, parameter: &QueryParameter, rule: &str) -> Result<(), Problem> {
        match self.get(parameter) {
            None => Ok(()),
            Some(_) => Err(Problem::bad_parameter(parameter.name, rule)),
        }
    }

    fn refuse_repetition(&self, parameter: &QueryParameter) -> Result<(), Problem> {
        match (parameter.values, self.get_all(parameter).count()) {
            (_, 0) => Ok(()),
            (ParameterValues::Words { times, .. }, before) if before < times => Ok(()),
            (ParameterValues::Words { times, .. }, _) => Err(Problem::bad_parameter(
                parameter.name,
                format!("the parameter may be sent at most {times} times"),
            )),
            _ => Err(Problem::bad_parameter(parameter.name, "the parameter was sent twice: send it once")),
        }
    }
}

/// Decodes percent-encoded text, with `+` as a space (as HTML forms and `URLSearchParams` write it).
fn decode(text: &str) -> Result<String, &'static str> {
    if !is_percent_encoded(text) {
        return Err(BROKEN_PERCENT);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_: std::str::Utf8Error| "the percent-encoded bytes are not UTF-8")
}

/// The rule that [`is_percent_encoded`] checks.
pub(crate) const BROKEN_PERCENT: &str =
    "a % is not followed by two hexadecimal digits: write %25 for a percent sign";

/// Whether every `%` begins an encoded byte.
pub(crate) fn is_percent_encoded(text: &str) -> bool {
    let mut pieces = text.split('%');
    pieces.next();
    pieces.all(|piece| {
        let mut digits = piece.bytes();
        let mut hex = || digits.next().is_some_and(|digit| digit.is_ascii_hexdigit());
        hex() && hex()
    })
}

fn unknown_parameter<'k>(known: impl Iterator<Item = &'k QueryParameter>) -> String {
    let names: Vec<_> = known.map(|parameter| parameter.name).collect();
    if names.is_empty() {
        return "unknown parameter: this operation takes none".to_owned();
    }
    format!("unknown parameter: this operation takes {}", names.join(", "))
}

fn check_value(parameter: &QueryParameter, value: &str) -> Result<(), Problem> {
    let refuse = |rule: String| Err(Problem::bad_parameter(parameter.name, rule));
    match parameter.values {
        ParameterValues::Word { max } | ParameterValues::Words { max, .. } if !is_word(value, max) => {
            refuse(format!("the value must be {}", word_rule(max)))
        }
        ParameterValues::Chars { max } | ParameterValues::SearchText { max } if !is_text(value, max) => {
            refuse(format!("the value must have 1 to {max} characters, none of them U+0000"))
        }
        ParameterValues::SearchText { .. } if words_of(value).is_empty() => {
            refuse("the value has no word: a word has at least one letter or digit".to_owned())
        }
        ParameterValues::Word { .. }
        | ParameterValues::Words { .. }
        | ParameterValues::Chars { .. }
        | ParameterValues::SearchText { .. }
        // The following are checked where they are parsed.
        | ParameterValues::Text
        | ParameterValues::NodeKey
        | ParameterValues::Level
        | ParameterValues::Moment
        | ParameterValues::Object => Ok(()),
        ParameterValues::Flag { .. } if matches!(value, "true" | "false") => Ok(()),
        ParameterValues::Flag { .. } => refuse("the value must be true or false".to_owned()),
        ParameterValues::Number { .. } => parse_number(parameter, value).map(drop),
        ParameterValues::OneOf(values) if values.contains(&value) => Ok(()),
        ParameterValues::OneOf(_) if parameter.name == CONSISTENCY.name && value == "bounded" => {
            refuse("bounded is not available yet, use strong".to_owned())
        }
        ParameterValues::OneOf(values) => refuse(format!("the value must be one of: {}", values.join(", "))),
    }
}

fn is_text(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.chars().count()) && !text.contains('\0')
}

fn parse_number(parameter: &QueryParameter, text: &str) -> Result<usize, Problem> {
    // Rust also parses a sign ("+1"): only digits are accepted.
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    let max = match parameter.values {
        ParameterValues::Number { max, .. } => max,
        _ => usize::MAX,
    };
    let parsed = text.parse().ok().filter(|number| digits_only && (1..=max).contains(number));
    parsed.ok_or_else(|| {
        Problem::bad_parameter(parameter.name, format!("the value must be a number from 1 to {max}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::EXPLAIN;

    #[test]
    fn a_percent_sign_must_be_followed_by_two_digits() {
        for text in ["", "a", "%2F", "a%20b%C3%a9", "%25"] {
            assert!(is_percent_encoded(text), "{text}");
        }
        for text in ["%", "%2", "a%", "%zz", "%%25", "%2é", "%+1"] {
            assert!(!is_percent_encoded(text), "{text}");
        }
    }

    #[test]
    fn only_known_parameters_are_accepted_and_each_once() {
        let known = [EXPLAIN, LIMIT, PAGE_TOKEN, CONSISTENCY];
        let parse = |text| Query::parse(text, known.iter());
        let query = parse("explain=true&limit=200&page%5Ftoken=a+b%2Bc&").unwrap();
        assert!(query.flag(&EXPLAIN));
        let page = query.page_request().unwrap();
        assert_eq!((page.limit, page.token.as_deref()), (Some(200), Some("a b+c")));
        for text in [
            "x=1",
            "Explain=true",
            "explain",
            "explain=1",
            "explain=true&explain=true",
            "limit=0",
            "limit=201",
            "limit=+1",
            "limit=",
            "page_token=%ff",
            "page_token=%f",
            "%=1",
            "consistency=bounded",
            "consistency=",
        ] {
            assert!(parse(text).is_err(), "{text} was accepted");
        }
    }
}
