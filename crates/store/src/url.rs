//! The URL that names a store.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::postgres::connect::PostgresUrl;

/// The URL that names a store.
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

/// Prints the URL without its password.
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
        // Messages do not repeat the text: a mistyped URL may contain a password.
        match text.split_once(':') {
            Some(("sqlite", folder)) if folder.starts_with("//") => {
                Err("write the folder after 'sqlite:' as the system writes it, without '//' before it: \
                 sqlite:/srv/contexts"
                    .to_owned())
            }
            Some(("sqlite", "")) => Err("write a folder after 'sqlite:': sqlite:./data".to_owned()),
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
    fn a_folder_is_taken_literally() {
        for text in ["sqlite:./data", "sqlite:/srv/a b?c=d", "sqlite:C:\\data", "sqlite:data"] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_database_url_prints_without_its_password() {
        for text in ["postgres://u:secret@h/db", "postgresql://u:secret@h/db"] {
            let url = text.parse::<StoreUrl>().unwrap();
            assert!(matches!(url, StoreUrl::Postgres(_)));
            assert!(!format!("{url} {url:?}").contains("secret"));
        }
    }

    #[test]
    fn a_text_that_names_no_store_is_refused_and_not_repeated() {
        for text in ["", "data", "sqlite", "sqlite:", "sqlite:///data", "mysql://u:secret@h", "SQLITE:data"] {
            let rule = text.parse::<StoreUrl>().unwrap_err();
            assert!(rule.contains("sqlite:") && !rule.contains("secret"), "{rule}");
        }
    }
}
