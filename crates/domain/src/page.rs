//! Pages of lists: a limit, and an opaque token that continues the one list that it came from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_BYTES, MAX_PAGE_LIMIT, PAGE_READ};

/// The page of a list that a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRequest {
    /// Maximum number of items; `None` for [`DEFAULT_PAGE_LIMIT`].
    pub limit: Option<usize>,
    /// The token of the previous page; `None` for the first page.
    pub token: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The token of the page after this one; `None` on the last page.
    pub next_page_token: Option<String>,
}

impl PageRequest {
    /// Returns the maximum number of items on the page.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if it is not 1 to [`MAX_PAGE_LIMIT`].
    pub fn limit(&self) -> Result<usize, Error> {
        match self.limit.unwrap_or(DEFAULT_PAGE_LIMIT) {
            limit @ 1..=MAX_PAGE_LIMIT => Ok(limit),
            _ => Err(Error::BadParameter {
                name: "limit".to_owned(),
                message: format!("a page has 1 to {MAX_PAGE_LIMIT} items"),
            }),
        }
    }

    /// Returns the cursor in the token: where in the list the page begins. `list` identifies the list.
    ///
    /// # Errors
    /// [`Error::BadParameter`] if the token is not one of this list.
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
    /// Returns the gathered page of `list`. `cursor` returns the cursor that continues after an item.
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

/// A page that is being read. It is read [`PAGE_READ`] items at a time, and ends early once the sizes of its
/// items add up to [`MAX_PAGE_BYTES`].
pub(crate) struct Gathering<T> {
    items: Vec<T>,
    /// Number of items that the page may have. One item more is read, which shows that the list continues.
    fit: usize,
    bytes: usize,
    ended: bool,
}

impl<T> Gathering<T> {
    /// Returns an empty page of at most `limit` items.
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), fit: limit, bytes: 0, ended: false }
    }

    /// Returns the page of a list that was read in one call with `limit + 1` items.
    pub(crate) fn from_one_read(items: Vec<T>, limit: usize) -> Self {
        Self { items, fit: limit, bytes: 0, ended: true }
    }

    /// Returns the number of items to read next; `None` if the page is complete.
    pub(crate) fn wanted(&self) -> Option<usize> {
        let missing = (self.fit + 1).saturating_sub(self.items.len());
        (missing > 0 && !self.ended).then(|| missing.min(PAGE_READ))
    }

    /// Returns the last item read, after which reading continues.
    pub(crate) fn last(&self) -> Option<&T> {
        self.items.last()
    }

    /// Adds the items of a read of at most `wanted` items; `size` returns the bytes of one.
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

/// Returns the error for a page token that does not continue the list it was sent for.
pub fn bad_token() -> Error {
    Error::BadParameter {
        name: "page_token".to_owned(),
        message:
            "the token does not continue this list: send it with the parameters of the page it came from"
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
        let page =
            Page::from_gathering("contexts of a", Gathering::from_one_read(vec![1, 2, 3], 2), i32::to_string);
        assert_eq!(page.items, [1, 2]);
        let next = PageRequest { limit: None, token: page.next_page_token };
        assert_eq!(next.cursor("contexts of a").unwrap().as_deref(), Some("2"));
        assert!(next.cursor("contexts of b").is_err());
        for token in ["", "x", "%%%", "Zm9v"] {
            assert!(PageRequest { limit: None, token: Some(token.to_owned()) }.cursor("l").is_err());
        }
        assert_eq!(
            Page::from_gathering("l", Gathering::from_one_read(vec![1, 2], 2), i32::to_string)
                .next_page_token,
            None
        );
    }

    #[test]
    fn page_limits_outside_the_range_are_refused() {
        let limit = |limit| PageRequest { limit, token: None }.limit();
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
