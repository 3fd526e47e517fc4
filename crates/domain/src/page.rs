//! Pages of lists: a limit, and an opaque token that continues one list and no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_BYTES, MAX_PAGE_LIMIT, PAGE_READ};

/// What a caller asks of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// Items at the most; none for the default.
    pub limit: Option<usize>,
    /// The token of the page before.
    pub token: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Continues behind the last item; none on the last page.
    pub next_page_token: Option<String>,
}

impl PageRequest {
    /// Items on the page.
    ///
    /// # Errors
    /// [`Error::BadParameter`] outside 1 to [`MAX_PAGE_LIMIT`].
    pub fn limit(&self) -> Result<usize, Error> {
        match self.limit.unwrap_or(DEFAULT_PAGE_LIMIT) {
            limit @ 1..=MAX_PAGE_LIMIT => Ok(limit),
            _ => Err(Error::BadParameter {
                name: "limit".to_owned(),
                message: format!("a page has 1 to {MAX_PAGE_LIMIT} items"),
            }),
        }
    }

    /// The cursor in the token, which must be of the list called `list`.
    ///
    /// # Errors
    /// [`Error::BadParameter`] where the token is not one that this list gave out.
    pub fn cursor(&self, list: &str) -> Result<Option<String>, Error> {
        let Some(token) = &self.token else { return Ok(None) };
        let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once(' '));
        match parts {
            Some((fingerprint, cursor)) if fingerprint == fingerprint_of(list) => Ok(Some(cursor.to_owned())),
            _ => Err(bad_token()),
        }
    }
}

impl<T> Page<T> {
    /// The page of `list` that was `found`, whose cursors are made of items.
    pub(crate) fn from_gathering(list: &str, found: Gathering<T>, cursor: impl Fn(&T) -> String) -> Self {
        let Gathering { mut items, fit, .. } = found;
        let goes_on = items.len() > fit;
        items.truncate(fit);
        let last = items.last().filter(|_| goes_on);
        let next_page_token =
            last.map(|item| URL_SAFE_NO_PAD.encode(format!("{} {}", fingerprint_of(list), cursor(item))));
        Self { items, next_page_token }
    }
}

/// A page in the making. It is read [`PAGE_READ`] items at a time, and ends early where the sizes of its items, in
/// bytes, come to [`MAX_PAGE_BYTES`].
pub(crate) struct Gathering<T> {
    items: Vec<T>,
    /// Items that belong on the page; one more tells that the list goes on.
    fit: usize,
    bytes: usize,
    ended: bool,
}

impl<T> Gathering<T> {
    /// A page of at most `limit` items.
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), fit: limit, bytes: 0, ended: false }
    }

    /// The page of a list that was read at once: its items, and one more where it goes on.
    pub(crate) fn whole(items: Vec<T>, limit: usize) -> Self {
        Self { items, fit: limit, bytes: 0, ended: true }
    }

    /// Items to read next; none when the page is whole.
    pub(crate) fn wanted(&self) -> Option<usize> {
        let missing = (self.fit + 1).saturating_sub(self.items.len());
        (missing > 0 && !self.ended).then(|| missing.min(PAGE_READ))
    }

    /// The item behind which to read on.
    pub(crate) fn last(&self) -> Option<&T> {
        self.items.last()
    }

    /// Takes in what was read when `wanted` items were asked for.
    pub(crate) fn add(&mut self, items: Vec<T>, wanted: usize, size: impl Fn(&T) -> usize) {
        self.ended = items.len() < wanted;
        for item in items {
            if self.items.len() < self.fit {
                self.bytes += size(&item);
                self.items.push(item);
                if self.bytes >= MAX_PAGE_BYTES {
                    self.fit = self.items.len();
                }
            } else if self.items.len() == self.fit {
                self.items.push(item);
            }
        }
    }

    /// Whether the page has no items.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// The error for a token that no list gave out, or another one.
pub fn bad_token() -> Error {
    Error::BadParameter {
        name: "page_token".to_owned(),
        message:
            "the token does not continue this list: send it with the parameters of the page that gave it"
                .to_owned(),
    }
}

fn fingerprint_of(list: &str) -> String {
    let hash = Sha256::digest(list.as_bytes());
    hex::encode(hash.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_continues_its_own_list_only() {
        let page = Page::from_gathering("contexts of a", Gathering::whole(vec![1, 2, 3], 2), i32::to_string);
        assert_eq!(page.items, [1, 2]);
        let next = PageRequest { limit: None, token: page.next_page_token };
        assert_eq!(next.cursor("contexts of a").unwrap().as_deref(), Some("2"));
        assert!(next.cursor("contexts of b").is_err());
        for token in ["", "x", "%%%", "Zm9v"] {
            assert!(PageRequest { limit: None, token: Some(token.to_owned()) }.cursor("l").is_err());
        }
        assert_eq!(
            Page::from_gathering("l", Gathering::whole(vec![1, 2], 2), i32::to_string).next_page_token,
            None
        );
    }

    #[test]
    fn limits_are_held() {
        let limit = |limit| PageRequest { limit, token: None }.limit();
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
