//! The URL that names a store.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::postgres::PostgresUrl;

/// Names a store.
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// `sqlite:<folder>`: the embedded store in that folder.
    Sqlite {
        /// The folder.
        folder: PathBuf,
    },
    /// `postgres://…`: a PostgreSQL database.
    Postgres(PostgresUrl),
}

/// The URL without its password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { folder } => write!(f, "sqlite:{}", folder.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is no rule of ours is not repeated: a mistyped URL may hold a password.
        match text.split_once(':') {
            Some(("sqlite", folder)) if folder.starts_with("//") => Err(
                "after sqlite: comes a folder as the system writes it, without '//' before it: sqlite:/srv/contexts"
                    .to_owned(),
            ),
            Some(("sqlite", "")) => Err("after sqlite: comes a folder: sqlite:./data".to_owned()),
            Some(("sqlite", folder)) => Ok(Self::Sqlite { folder: PathBuf::from(folder) }),
            Some(("postgres" | "postgresql", _)) => text.parse().map(Self::Postgres),
            _ => Err("a store is named sqlite:<folder> or postgres://<user>@<host>/<database>".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_as_it_is_written() {
        for text in ["sqlite:./data", "sqlite:/srv/a b?c=d", "sqlite:C:\\data", "sqlite:data"] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_database_is_shown_without_its_password() {
        for text in ["postgres://u:secret@h/db", "postgresql://u:secret@h/db"] {
            let url = text.parse::<StoreUrl>().unwrap();
            assert!(matches!(url, StoreUrl::Postgres(_)));
            assert!(!format!("{url} {url:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_store_is_refused_without_being_repeated() {
        for text in ["", "data", "sqlite", "sqlite:", "sqlite:///data", "mysql://u:secret@h", "SQLITE:data"] {
            let rule = text.parse::<StoreUrl>().unwrap_err();
            assert!(rule.contains("sqlite:") && !rule.contains("secret"), "{rule}");
        }
    }
}
