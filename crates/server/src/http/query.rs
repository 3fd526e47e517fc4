//! Query parameters, read strictly: an unknown one, a repeated one or a wrong value is refused, never ignored.

use context_domain::content::is_word;
use context_domain::page::PageRequest;
use context_domain::search::words_of;
use percent_encoding::percent_decode_str;

use super::problem::Problem;
use super::spec::{CONSISTENCY, LIMIT, PAGE_TOKEN, Parameter, Values};

/// The query parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads `text`, in which the parameters `known` may stand, each once unless it may be repeated.
    pub(crate) fn read<'k>(
        text: &str,
        known: impl Iterator<Item = &'k Parameter> + Clone,
    ) -> Result<Self, Problem> {
        let mut query = Self::default();
        for piece in text.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = decoded(name).map_err(|rule| Problem::bad_parameter(name, rule))?;
            let Some(parameter) = known.clone().find(|parameter| parameter.name == name) else {
                return Err(Problem::bad_parameter(&name, unknown(known)));
            };
            query.refuse_one_too_many(parameter)?;
            let value = decoded(value).map_err(|rule| Problem::bad_parameter(&name, rule))?;
            check(parameter, &value)?;
            query.0.push((parameter.name, value));
        }
        Ok(query)
    }

    /// The parameter's value, if it was sent.
    pub(crate) fn get(&self, parameter: &Parameter) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all(&self, parameter: &Parameter) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(name, _)| *name == parameter.name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that is true or false.
    pub(crate) fn flag(&self, parameter: &Parameter) -> bool {
        match (self.get(parameter), parameter.values) {
            (None, Values::Flag { default }) => default,
            (value, _) => value == Some("true"),
        }
    }

    /// The page that is asked for.
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        let limit = self.get(&LIMIT).map(|text| number(&LIMIT, text)).transpose()?;
        Ok(PageRequest { limit, token: self.get(&PAGE_TOKEN).map(str::to_owned) })
    }

    /// Refuses `parameter` where it means nothing.
    pub(crate) fn refuse(&self, parameter: &Parameter, rule: &str) -> Result<(), Problem> {
        match self.get(parameter) {
            None => Ok(()),
            Some(_) => Err(Problem::bad_parameter(parameter.name, rule)),
        }
    }

    fn refuse_one_too_many(&self, parameter: &Parameter) -> Result<(), Problem> {
        match (parameter.values, self.all(parameter).count()) {
            (_, 0) => Ok(()),
            (Values::Words { times, .. }, before) if before < times => Ok(()),
            (Values::Words { times, .. }, _) => Err(Problem::bad_parameter(
                parameter.name,
                format!("the parameter stands {times} times at the most"),
            )),
            _ => Err(Problem::bad_parameter(parameter.name, "the parameter stands twice: send it once")),
        }
    }
}

/// The text that was percent-encoded, `+` read as a space (as HTML forms and `URLSearchParams` write it).
fn decoded(text: &str) -> Result<String, &'static str> {
    if !is_percent_encoded(text) {
        return Err("a % stands without two hexadecimal digits behind it: write %25 for a percent sign");
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Into::into).map_err(|_: std::str::Utf8Error| "the percent-encoded bytes are not UTF-8")
}

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

fn unknown<'k>(known: impl Iterator<Item = &'k Parameter>) -> String {
    let names: Vec<_> = known.map(|parameter| parameter.name).collect();
    if names.is_empty() {
        return "unknown parameter: this operation takes none".to_owned();
    }
    format!("unknown parameter: this operation takes {}", names.join(", "))
}

fn check(parameter: &Parameter, value: &str) -> Result<(), Problem> {
    let refuse = |rule: String| Err(Problem::bad_parameter(parameter.name, rule));
    match parameter.values {
        // Whoever reads these into what they mean finds out what is wrong with them.
        Values::Text | Values::NodeKey | Values::Level | Values::Moment | Values::Object => Ok(()),
        Values::Word { most } | Values::Words { most, .. } if !is_word(value, most) => {
            refuse(format!("the value is 1 to {most} of A-Z, a-z, 0-9, '.', '_' and '-'"))
        }
        Values::Chars { most } | Values::SearchText { most } if !is_text(value, most) => {
            refuse(format!("the value has 1 to {most} characters, none of them U+0000"))
        }
        Values::SearchText { .. } if words_of(value).is_empty() => {
            refuse("the value holds no word: a word has a letter or a digit".to_owned())
        }
        Values::Word { .. } | Values::Words { .. } | Values::Chars { .. } | Values::SearchText { .. } => {
            Ok(())
        }
        Values::Flag { .. } if matches!(value, "true" | "false") => Ok(()),
        Values::Flag { .. } => refuse("the value is true or false".to_owned()),
        Values::Number { .. } => number(parameter, value).map(drop),
        Values::OneOf(values) if values.contains(&value) => Ok(()),
        Values::OneOf(_) if parameter.name == CONSISTENCY.name && value == "bounded" => {
            refuse("bounded is not available yet, use strong".to_owned())
        }
        Values::OneOf(values) => refuse(format!("the value is one of: {}", values.join(", "))),
    }
}

fn is_text(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.contains('\0')
}

fn number(parameter: &Parameter, text: &str) -> Result<usize, Problem> {
    // Numbers have several spellings ("+1", "01"); digits alone are one.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let most = match parameter.values {
        Values::Number { most, .. } => most,
        _ => usize::MAX,
    };
    let read = text.parse().ok().filter(|number| plain && (1..=most).contains(number));
    read.ok_or_else(|| {
        Problem::bad_parameter(parameter.name, format!("the value is a number from 1 to {most}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::spec::EXPLAIN;

    #[test]
    fn a_percent_sign_begins_two_digits() {
        for text in ["", "a", "%2F", "a%20b%C3%a9", "%25"] {
            assert!(is_percent_encoded(text), "{text}");
        }
        for text in ["%", "%2", "a%", "%zz", "%%25", "%2é", "%+1"] {
            assert!(!is_percent_encoded(text), "{text}");
        }
    }

    #[test]
    fn only_known_parameters_are_taken_each_once() {
        let known = [EXPLAIN, LIMIT, PAGE_TOKEN, CONSISTENCY];
        let read = |text| Query::read(text, known.iter());
        let query = read("explain=true&limit=200&page%5Ftoken=a+b%2Bc&").unwrap();
        assert!(query.flag(&EXPLAIN));
        let page = query.page().unwrap();
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
            assert!(read(text).is_err(), "{text} was taken");
        }
    }
}
